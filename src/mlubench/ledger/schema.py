"""Brings a ledger's tables up to date when it is opened, whatever version made them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from mlubench.core.errors import MlubenchError
from mlubench.ledger.tables import VERSIONS

_SCRIPTS = Path(__file__).with_name("migrations")
# Of PostgreSQL: whoever opens a ledger waits for the others that do. The number is ours alone.
_LOCK = 7_041_969


def migrate(connection: Connection, revision: str = "head") -> None:
    """Make or change the tables up to a revision, inside the connection's transaction.

    Raises MlubenchError for tables that a newer version has made.
    """
    if connection.dialect.name == "postgresql":
        # Freed with the transaction. SQLite has but one writer anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    # A `%` in the path is not the start of a variable.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise MlubenchError(
            f"the ledger's tables are of an unknown version ({error})",
            "A newer mlubench has made them: install that.",
        ) from None


def is_up_to_date(connection: Connection) -> bool:
    """Whether there is nothing to migrate."""
    options = {"version_table": VERSIONS}
    made_by = MigrationContext.configure(connection, opts=options).get_current_revision()
    return made_by == ScriptDirectory(str(_SCRIPTS)).get_current_head()
