"""The tables of a ledger as they are now. `migrations/` brings older ones up to this."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

METADATA = MetaData()
# Alembic's own table. The database may hold tables of others, whose versions are not ours.
VERSIONS = "ledger_version"

# One row: which ledger this is and where it ends. Who appends locks it, so that appends come one after the other.
LEDGER = Table(
    "ledger",
    METADATA,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("head", String(64), nullable=False),
    # Public key of who signs its checkpoints, in hex.
    Column("signer", String(64), nullable=False),
)

# `line` is the entry; the other columns repeat parts of it, to be searched and to be unique.
ENTRIES = Table(
    "ledger_entries",
    METADATA,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False, unique=True),
    # Unique: no two entries follow on the same one, so the chain cannot fork.
    Column("previous", String(64), nullable=False, unique=True),
    Column("event", String(200), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("request", String(200), nullable=False, index=True),
    Column("subject", String(64), nullable=True, index=True),
    Column("line", Text, nullable=False),
)

# One row a subject whose key is not destroyed.
SUBJECTS = Table(
    "ledger_subjects",
    METADATA,
    # The keyed hash that stands in entries.
    Column("subject", String(64), primary_key=True),
    # Another keyed hash of the name, by which the master key finds this row.
    Column("lookup", String(64), nullable=False, unique=True),
    # The subject's data key, encrypted with the master key; base64.
    Column("wrapped", String(200), nullable=False),
)
