"""What was done about deletion requests, so that nobody can change it unseen (docs/ledger.md). Read ledger.py first.

ledger.py          opens a ledger; appends, reads, destroys
writer.py          appends, one after the other
events.py          what is recorded
entries.py         an event in its place in the chain
subjects.py        whom entries are about: one key each, which can be destroyed
keys.py            the key file
signing.py         signatures
canonical.py       one spelling of JSON, which hashes are of
chain.py           follows entries and says what is wrong; stored.py does so in the database
merkle.py          the tree over the entries, and its proofs
checkpoints.py     the signed state of a ledger, to be kept elsewhere
export.py          all of a ledger as a file; export_lines.py says what its first and last line are
verification.py    whether an export or a checkpoint is whole
bundle.py          evidence of one request as a signed file; bundle_files.py says what is in it
bundle_verification.py
                   whether a bundle is whole
verifying.py       finds out what a file is, and verifies it
database.py        SQLite or PostgreSQL; errors in one line
tables.py          the tables; schema.py and migrations/ bring older ones up to date
"""
