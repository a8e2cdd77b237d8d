"""The chain: one row for the ledger, and one for each entry."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("signer", sa.String(64), nullable=False),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("previous", sa.String(64), nullable=False, unique=True),
        sa.Column("event", sa.String(200), nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("request", sa.String(200), nullable=False),
        sa.Column("line", sa.Text, nullable=False),
    )
    op.create_index("ix_ledger_entries_request", "ledger_entries", ["request"])
