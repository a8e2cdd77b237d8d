"""What Alembic runs to migrate: on the connection, and in the transaction, that `schema.py` hands over."""

from alembic import context

from mlubench.ledger.tables import METADATA, VERSIONS

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSIONS,
)
context.run_migrations()
