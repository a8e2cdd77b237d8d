"""What was done about deletion requests, so that nobody can change it unseen (docs/ledger.md). Read ledger.py first.

ledger.py          opens a ledger; appends, reads, destroys
writer.py          appends, one after the other
events.py          what is recorded
entries.py         an event in its place in the chain
subjects.py        whom entries are about: one key each, which can be destroyed
keys.py            the key file
signing.py         signatures
canonical.py       one spelling of JSON, which hashes are of
database.py        SQLite or PostgreSQL; errors in one line
tables.py          the tables; schema.py and migrations/ bring older ones up to date
"""
