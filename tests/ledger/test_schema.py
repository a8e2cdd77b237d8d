"""A ledger that an older version made is brought up to date when it is opened, and one of a newer version is left alone."""

import json
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from mlubench.core.errors import MlubenchError
from mlubench.ledger.database import open_database
from mlubench.ledger.entries import entry_line, genesis_hash
from mlubench.ledger.keys import make_keys
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.schema import migrate
from mlubench.ledger.signing import public_key
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.tables import METADATA, VERSIONS
from mlubench.ledger.verification import Trust
from support.ledgers import JANE, received

FIRST = {
    "index": 0,
    "previous": genesis_hash("old"),
    "recorded": "2026-01-02T03:04:05Z",
    "event": received("R-0", id="old").model_dump(mode="json"),
    "subject": None,
    "sealed": None,
}
LEDGER = "INSERT INTO ledger VALUES (1, 'old', 1, :head, :signer)"
ENTRY = """
    INSERT INTO ledger_entries ("index", hash, previous, event, kind, request, line)
    VALUES (0, :head, :previous, 'old', 'received', 'R-0', :line)
"""


def old_ledger(path: Path) -> None:
    """A ledger with one entry, with the tables of revision 0001."""
    line = entry_line(FIRST)
    values = {
        "head": json.loads(line)["hash"],
        "previous": FIRST["previous"],
        "signer": public_key(make_keys(Path(f"{path}.keys.json")).signing),
        "line": line,
    }
    with open_database(path, create=True).writing() as connection:
        migrate(connection, "0001")
        connection.execute(text(LEDGER), values)
        connection.execute(text(ENTRY), values)


def test_an_older_ledger_goes_on(tmp_path: Path) -> None:
    old_ledger(tmp_path / "ledger.sqlite")
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    entry = ledger.append(received("R-1"), subject=JANE, details={"asked_by": "jane"})
    assert [entry.event.request for entry in ledger.entries()] == ["R-0", "R-1"]
    assert [entry.index for entry in ledger.entries(subject=JANE)] == [1]
    assert ledger.details(entry) == {"asked_by": "jane"}
    assert verify_stored(ledger, Trust()).is_whole


def test_migrations_lead_to_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSIONS})
        assert compare_metadata(context, METADATA) == []


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    with ledger.database.writing() as connection:
        connection.execute(text(f"UPDATE {VERSIONS} SET version_num = '9999'"))
    before = path.read_bytes()
    with pytest.raises(MlubenchError, match="A newer mlubench has made them"):
        Ledger.open(path)
    assert path.read_bytes() == before
