"""The ledger: what was appended is there, in order, once, and only whole."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.ledger.entries import genesis_hash
from mlubench.ledger.ledger import Ledger
from support.ledgers import JANE, OMAR, audited, filled, received


def test_a_new_ledger_is_empty(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "new" / "ledger.sqlite")
    head = ledger.head()
    assert head.size == 0
    assert head.hash == genesis_hash(head.ledger)
    assert list(ledger.entries()) == []
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "new").iterdir()} == {0}


def test_entries_follow_on_each_other(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    first = ledger.append(received("R-1"))
    second = ledger.append(audited("R-1"))
    assert (first.index, second.index) == (0, 1)
    assert first.previous == genesis_hash(ledger.head().ledger)
    assert second.previous == first.hash
    assert ledger.head().hash == second.hash
    # Opened again, as by another process.
    assert list(Ledger.open(tmp_path / "ledger.sqlite").entries()) == [first, second]
    assert second.event.scores[0].ci95 == (0.01, 0.12)


def test_entries_can_be_searched(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ledger.sqlite", requests=4)

    def found(**wanted: object) -> list[int]:
        return [entry.index for entry in ledger.entries(**wanted)]  # type: ignore[arg-type]

    assert found(request="R-2") == [4, 5]
    assert found(kind="audited") == [1, 3, 5, 7]
    assert found(subject=JANE) == [0, 1, 4, 5]
    # Another spelling of the same name.
    assert found(subject="people/omar  vidal", since=3) == [3, 6, 7]
    assert found(subject="People/Nobody") == []
    assert ledger.entry(3) == ledger.entry(ledger.entry(3).event.id)
    with pytest.raises(UsageError, match="there is no entry 8"):
        ledger.entry(8)


def test_more_entries_than_a_page_come_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlubench.ledger.ledger._PAGE", 3)
    ledger = filled(tmp_path / "ledger.sqlite", requests=4)
    assert [entry.index for entry in ledger.entries()] == list(range(8))


def test_an_event_is_written_once(tmp_path: Path) -> None:
    """A worker that was killed after the append does it again when it comes back."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    first = ledger.append(received("R-1", id="R-1:received"), subject=JANE)
    again = ledger.append(received("R-1", id="R-1:received"), subject=JANE)
    assert again == first
    assert ledger.head().size == 1
    with pytest.raises(UsageError, match="another event of the id R-1:received"):
        ledger.append(received("R-2", id="R-1:received"))


def test_a_transaction_is_whole_or_absent(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.transaction() as writer:
        writer.connection.execute(text("CREATE TABLE mine (state TEXT)"))
    with pytest.raises(ZeroDivisionError), ledger.transaction() as writer:
        writer.append(received("R-1"))
        writer.append(received("R-2"), subject=JANE)
        writer.connection.execute(text("INSERT INTO mine VALUES ('verified')"))
        raise ZeroDivisionError
    assert ledger.head().size == 0
    with ledger.transaction() as writer:
        writer.append(received("R-1"))
        writer.append(received("R-2"), subject=JANE)
        writer.connection.execute(text("INSERT INTO mine VALUES ('verified')"))
    assert [entry.event.request for entry in ledger.entries()] == ["R-1", "R-2"]
    with ledger.database.reading() as connection:
        assert connection.execute(text("SELECT state FROM mine")).scalars().all() == ["verified"]


def test_64_writers_make_one_chain(tmp_path: Path) -> None:
    """Each opens the ledger by itself, the first of them also makes it."""
    path, start = tmp_path / "ledger.sqlite", threading.Barrier(64)

    def write(number: int) -> None:
        start.wait()
        ledger = Ledger.open(path)
        ledger.append(received(f"R-{number}"), subject=JANE if number % 2 else OMAR)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(64)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ledger = Ledger.open(path)
    entries = list(ledger.entries())
    assert [entry.index for entry in entries] == list(range(64))
    hashes = [genesis_hash(ledger.head().ledger), *(entry.hash for entry in entries)]
    assert [entry.previous for entry in entries] == hashes[:-1]
    assert ledger.head().hash == hashes[-1]
    assert len({entry.event.request for entry in entries}) == 64
    # Of each subject there is one key.
    assert len({entry.subject for entry in entries}) == 2


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        Ledger.open(tmp_path / "absent.sqlite", create=False)
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as other:
        other.execute("CREATE TABLE mine (state TEXT)")
    before = (tmp_path / "other.sqlite").read_bytes()
    with pytest.raises(UsageError, match=r"other\.sqlite holds no ledger"):
        Ledger.open(tmp_path / "other.sqlite", create=False)
    assert (tmp_path / "other.sqlite").read_bytes() == before
    with pytest.raises(UsageError, match="cannot be kept in mysql"):
        Ledger.open("mysql://me:secret@host/x")
    with pytest.raises(UsageError, match="URL cannot be read") as caught:
        Ledger.open("postgresql://me:secret@host:port/x")
    assert "secret" not in str(caught.value)
    plain = tmp_path / "text.txt"
    plain.write_text("no database " * 100)
    with pytest.raises(MlubenchError, match="file is not a database"):
        Ledger.open(plain)
