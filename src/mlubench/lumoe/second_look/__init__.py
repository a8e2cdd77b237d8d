"""A gate behind the answer: does a draft tell a forgotten fact or name? Read forgotten.py first.

forgotten.py       all that must not be told, and whether a draft tells it
keys.py            by which words a fact is known
fact_index.py      which facts a text tells in full, among very many
hashed_names.py    names that are kept as hashes alone
saved.py           what is kept beside an expert
"""
