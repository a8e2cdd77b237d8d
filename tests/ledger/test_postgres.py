"""The same ledger in PostgreSQL. Skipped unless MLUBENCH_TEST_POSTGRES names an empty database: postgresql://user@host/name.

Its tables are dropped before each test.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from mlubench.core.errors import MlubenchError
from mlubench.ledger.bundle import write_bundle
from mlubench.ledger.bundle_verification import verify_bundle
from mlubench.ledger.database import open_database
from mlubench.ledger.export import write_export
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.tables import METADATA, VERSIONS
from mlubench.ledger.verification import Trust, verify_export
from mlubench.ledger.writer import read_head
from support.ledgers import JANE, OMAR, fill, received

URL = os.environ.get("MLUBENCH_TEST_POSTGRES", "")
with_server = pytest.mark.skipif(not URL, reason="MLUBENCH_TEST_POSTGRES names no database")
WRITERS = 64


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The key file of a database without a ledger."""
    database = open_database(URL, create=True)
    with database.writing() as connection:
        METADATA.drop_all(connection)
        connection.execute(text(f"DROP TABLE IF EXISTS {VERSIONS}"))
    database.engine.dispose()
    return tmp_path / "keys.json"


@pytest.fixture
def ledger(keys: Path) -> Iterator[Ledger]:
    """A new ledger."""
    with Ledger.open(URL, keys=keys) as opened:
        yield opened


@with_server
def test_writers_at_once_make_one_chain(keys: Path) -> None:
    start = threading.Barrier(WRITERS)

    def write(number: int) -> None:
        start.wait()
        with Ledger.open(URL, keys=keys) as ledger:
            ledger.append(received(f"R-{number}"), subject=JANE if number % 2 else OMAR)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Ledger.open(URL, keys=keys) as ledger:
        assert verify_stored(ledger, Trust()).is_whole
        entries = list(ledger.entries())
    assert len({entry.event.request for entry in entries}) == len(entries) == WRITERS
    assert len({entry.subject for entry in entries}) == 2


@with_server
def test_what_is_kept_can_be_searched_proved_and_destroyed(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, requests=4)
    assert [entry.index for entry in ledger.entries(subject=OMAR, since=3)] == [3, 6, 7]
    assert ledger.details(ledger.entry(0)) == {"asked_by": "0@example.org"}
    again = ledger.append(received("R-0", id=ledger.entry(0).event.id), subject=JANE)
    assert again == ledger.entry(0)
    ledger.destroy(JANE, actor="alice")
    assert ledger.details(ledger.entry(0)) is None
    assert verify_stored(ledger, Trust()).is_whole
    write_export(ledger, tmp_path / "ledger.jsonl")
    write_bundle(ledger, tmp_path / "evidence.zip", "R-1")
    assert verify_export(tmp_path / "ledger.jsonl", Trust()).is_whole
    assert verify_bundle(tmp_path / "evidence.zip", Trust()).is_whole
    with ledger.database.writing() as connection:
        connection.execute(text("""UPDATE ledger_entries SET kind = 'active' WHERE "index" = 2"""))
    assert not verify_stored(ledger, Trust()).is_whole


@with_server
def test_migrations_lead_to_the_tables_that_the_code_uses(ledger: Ledger) -> None:

    with ledger.database.reading() as connection:
        opts = {"version_table": VERSIONS}
        context = MigrationContext.configure(connection, opts=opts)
        changes = compare_metadata(context, METADATA)
    assert changes == []


@with_server
def test_who_begins_a_transaction_waits_for_the_one_before(ledger: Ledger, keys: Path) -> None:
    """So whoever looks first and then writes sees what the others have written."""
    seen = []

    def look_and_write() -> None:
        with Ledger.open(URL, keys=keys) as other, other.transaction() as writer:
            seen.append(read_head(writer.connection).size)

    waiting = threading.Thread(target=look_and_write)
    with ledger.transaction() as writer:
        waiting.start()
        waiting.join(timeout=0.5)
        writer.append(received("R-1"))
    waiting.join()
    assert seen == [1]


@with_server
def test_a_connection_that_is_cut_leaves_nothing_behind(ledger: Ledger, keys: Path) -> None:
    ledger.append(received("R-1"))
    with (
        pytest.raises(MlubenchError, match="an event with the same id is written once"),
        ledger.transaction() as writer,
    ):
        writer.append(received("R-2"), subject=JANE)
        process = writer.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with Ledger.open(URL, keys=keys) as other, other.database.writing() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
    assert [entry.event.request for entry in ledger.entries()] == ["R-1"]
    assert ledger.append(received("R-3")).index == 1


def test_a_server_that_is_away(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(MlubenchError, match="cannot be read: connection failed") as caught:
        Ledger.open("postgresql://me:secret@127.0.0.1:9/ledger", keys=tmp_path / "keys.json")
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "keys.json").exists()
