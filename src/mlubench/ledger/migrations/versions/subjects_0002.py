"""Subjects: whom an entry is about, and the keys that their details are encrypted with."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # What was recorded before is about nobody.
    op.add_column("ledger_entries", sa.Column("subject", sa.String(64), nullable=True))
    op.create_index("ix_ledger_entries_subject", "ledger_entries", ["subject"])
    op.create_table(
        "ledger_subjects",
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("lookup", sa.String(64), nullable=False, unique=True),
        sa.Column("wrapped", sa.String(200), nullable=False),
    )
