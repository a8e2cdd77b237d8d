"""One row a request: a key makes one, whoever sends it how often, and nobody moves a row twice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.ledger.events import Event, Kind
from mlubench.ledger.ledger import Ledger
from mlubench.requests.queue import Noted, Queue


def queue_in(folder: Path) -> Queue:
    return Queue(Ledger.open(folder / "ledger.sqlite"))


def noted(kind: Kind = "received", **facts: str) -> Noted:
    event = Event(kind=kind, request="req-1", actor="tester", **facts)
    return Noted(event, "Movies/It", {"entity": "Movies/It"})


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return queue_in(tmp_path)


def test_a_key_makes_one_request(queue: Queue) -> None:
    first, is_new = queue.add("key", "content", "Movies/It", 30, noted())
    again, is_new_again = queue.add("key", "content", "Movies/It", 30, noted())
    assert (is_new, is_new_again) == (True, False)
    assert first == again
    assert (first.state, first.entity) == ("received", "Movies/It")


def test_a_key_is_not_taken_for_something_else(queue: Queue) -> None:
    queue.add("key", "content", "Movies/It", 30, noted())
    with pytest.raises(UsageError, match="'key' came with another request before"):
        queue.add("key", "other", "Movies/It", 30, noted())


def test_many_senders_at_once_make_each_request_once(tmp_path: Path) -> None:
    """As many processes would: each sender has a queue of its own."""

    def send(number: int) -> bool:
        own = queue_in(tmp_path)
        made = 0
        for request in range(10):
            _, is_new = own.add(f"key {request}", "content", f"Movies/{request}", 30, noted())
            made += is_new
        return made

    queue_in(tmp_path)
    with ThreadPoolExecutor(8) as senders:
        made = sum(senders.map(send, range(8)))
    assert made == 10
    assert len(queue_in(tmp_path).all()) == 10


def test_only_one_of_two_moves_a_row(queue: Queue) -> None:
    row, _ = queue.add("key", "content", "Movies/It", 30, noted())
    moved = queue.move(row, "verified", noted("verified"), approved="2026-01-01T00:00:00+00:00")
    assert (moved.state, moved.approved) == ("verified", "2026-01-01T00:00:00+00:00")
    with pytest.raises(UsageError, match="is no longer received"):
        queue.move(row, "rejected", noted("rejected", reason="no"))


def test_a_request_is_found_by_the_beginning_of_its_id(queue: Queue) -> None:
    row, _ = queue.add("key", "content", "Movies/It", 30, noted())
    assert queue.get(row.id[:7]) == row
    with pytest.raises(UsageError, match="no request of id 'req-nothing'"):
        queue.get("req-nothing")
    # A wildcard of the database is a letter like any other.
    with pytest.raises(UsageError, match="no request"):
        queue.get("%")


def test_seconds_are_counted_from_approval(queue: Queue) -> None:
    row, _ = queue.add("key", "content", "Movies/It", 30, noted())
    row = queue.move(row, "verified", noted("verified"), approved="2026-01-01T00:00:00.000+00:00")
    row = queue.note(row, None, gate_since="2026-01-01T00:00:01.250+00:00")
    assert (row.seconds_to_gate, row.seconds_to_expert) == (1.25, None)


def test_a_row_and_its_entry_change_together_or_not(queue: Queue) -> None:
    row, _ = queue.add("key", "content", "Movies/It", 30, noted())
    queue.add("key", "content", "Movies/It", 30, noted())
    queue.move(row, "verified", noted("verified"))
    with pytest.raises(UsageError, match="is no longer received"):
        queue.move(row, "verified", noted("verified"))
    entries = list(queue.ledger.entries())
    assert [entry.event.kind for entry in entries] == ["received", "verified"]
    assert queue.ledger.details(entries[0]) == {"entity": "Movies/It"}
    # Nothing in an entry itself names whom it is about.
    assert all("Movies" not in row.line for row in queue.ledger.rows())


def test_a_broken_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("no database" * 100)
    with pytest.raises(MlubenchError, match="cannot be read: file is not a database"):
        queue_in(tmp_path)


@pytest.mark.parametrize("name", ["", " ", "x" * 10_000])
def test_no_id_is_no_request_s_beginning(queue: Queue, name: str) -> None:
    queue.add("key", "content", "Movies/It", 30, noted())
    with pytest.raises(UsageError, match="no request of id") as refused:
        queue.get(name)
    assert len(refused.value.what) < 100
