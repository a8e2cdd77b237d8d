"""What is attacked: the base, a method's last archive, LUMoE as it is served, and what it is held against.

system.py          the base or an archive, and all that is done to a system; the others inherit from it
lumoe.py           LUMoE, and its gate alone
prompted.py        the base with a prompt
training_free.py   the base behind a gate that nothing was trained for
oracle.py          a base that never learned what is forgotten
queries.py         what an attack asks, as a model and as a gate take it
table.py           a system by its name
"""
