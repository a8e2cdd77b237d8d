"""A gate behind the answer: does a draft tell a forgotten fact or name? Read forgotten.py first.

forgotten.py       all that must not be told, and whether a draft tells it
facts.py           the facts of all requests so far
keys.py            by which words a fact is known
fact_index.py  kept_texts.py
                   which facts a text tells in full, and whether a text tells a fact, among very many
hashed_names.py    names that are kept as hashes alone
saved.py           what is kept beside an expert
"""
