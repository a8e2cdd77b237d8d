"""`mlubench experts`.

group.py           list, verify, switch, roll back, carry elsewhere
consolidate.py     many into fewer, and prune
store.py           which store a command means
"""
