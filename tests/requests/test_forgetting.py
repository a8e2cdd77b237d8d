"""What was sent, and every name, goes once a request has ended: by hand, in time, and with the subject's key."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from mlubench.core.errors import UsageError
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.verification import Trust
from mlubench.requests.desk import Desk
from mlubench.requests.forgetting import destroy_subject
from mlubench.requests.queue import Queue
from mlubench.requests.states import StateError
from mlubench.requests.worker import work_off
from support.requests import ENTITY, quietly
from support.runs import call


def names_in(folder: Path) -> list[Path]:
    """Files in which the entity's name stands, in any spelling that is kept."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes().lower() if path.is_file() else b""
        if ENTITY.name.lower().encode() in content or ENTITY.title.lower().encode() in content:
            found.append(path)
    return found


def test_the_queue_names_nobody_in_plain(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(ENTITY, sent, key="letter of Jane Doe")
    desk.reject(row.id, "Nine Nights is no film")
    ledger = desk.place.root / "ledger.sqlite"
    content = ledger.read_bytes()
    assert b"Nine" not in content and b"Jane" not in content
    found = desk.queue.get(row.id)
    assert (found.entity, found.key) == (ENTITY.key, "letter of Jane Doe")
    assert found.why == "Nine Nights is no film"


def test_what_was_in_effect_leaves_no_name_behind(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(ENTITY, sent)
    desk.approve(row.id)
    store = desk.place.store.root
    before = [path for path in names_in(store) if path.parent.name not in ("A", "B")]
    assert before
    with pytest.raises(StateError, match="is verified, and what was sent with it is still needed"):
        desk.forget(row.id)
    desk.revert(row.id)
    forgotten = desk.forget(row.id)
    assert desk.forget(row.id) == forgotten
    assert (forgotten.entity, forgotten.why, forgotten.state) == ("", "", "reverted")
    # What the run itself was made to keep is its own affair.
    assert [path for path in names_in(store) if path in before] == []
    # The same letter is known all the same, and its entries are whole.
    again, is_new = desk.submit(ENTITY, sent)
    assert (again.id, is_new) == (row.id, False)
    assert verify_stored(desk.queue.ledger, Trust()).is_whole


def test_the_worker_forgets_in_time(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(ENTITY, sent)
    desk.reject(row.id, "no such film")
    work_off(desk, quietly)
    assert desk.queue.get(row.id).forgotten is None
    (desk.place.root / "settings.yaml").write_text("ended_days: 0\n")
    work_off(desk, quietly)
    assert desk.queue.get(row.id).forgotten is not None
    assert not desk.place.folder(row.id).exists()


def test_a_subject_is_destroyed_with_all_that_is_left_of_it(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(ENTITY, sent)
    ledger = desk.place.root / "ledger.sqlite"
    words = ("ledger", "destroy", ledger, ENTITY.key, "--actor", "tester", "--yes")
    refused = call(*words)
    assert refused.code == 2
    assert "is received, and what was sent with it is still needed" in refused.err
    assert desk.queue.get(row.id).entity == ENTITY.key
    desk.reject(row.id, "no such film")
    assert call(*words).code == 0
    found = desk.queue.get(row.id)
    assert (found.entity, found.state) == ("", "rejected")
    assert not desk.place.folder(row.id).exists()
    (entry,) = desk.queue.ledger.entries(kind="received")
    assert desk.queue.ledger.details(entry) is None
    listed = call("request", "list", "--store", desk.place.path)
    assert "(deleted)" in listed.out


def test_a_ledger_that_lies_elsewhere_asks_for_the_store(
    desk: Desk, sent: Path, tmp_path: Path
) -> None:
    desk.place.root.mkdir(parents=True, exist_ok=True)
    (desk.place.root / "settings.yaml").write_text(f"ledger: {tmp_path / 'elsewhere.sqlite'}\n")
    desk = Desk.open(desk.place.path, desk.mllm)
    row, _ = desk.submit(ENTITY, sent)
    desk.reject(row.id, "no such film")
    ledger = desk.queue.ledger
    with pytest.raises(UsageError, match="Name the store"):
        destroy_subject(ledger, ENTITY.key, actor="tester", reason="", place=None)
    destroy_subject(ledger, ENTITY.key, actor="tester", reason="", place=desk.place)
    assert not desk.place.folder(row.id).exists()


def test_rows_of_an_earlier_version_are_sealed(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(ENTITY, sent)
    file = desk.place.root / "ledger.sqlite"
    plain = create_engine(f"sqlite:///{file}")
    with plain.begin() as connection:
        connection.execute(text("DELETE FROM deletion_requests"))
        connection.execute(
            text(
                "CREATE TABLE requests (id TEXT, key TEXT, content TEXT, entity TEXT, state TEXT, received TEXT, "
                "due TEXT, approved TEXT, gate_since TEXT, expert_since TEXT, ended TEXT, expert TEXT, "
                "measured JSON, why TEXT, failures INTEGER)"
            )
        )
        values = {"id": row.id, "key": row.key, "content": row.content, "entity": row.entity}
        times = {"received": row.received, "due": row.due}
        connection.execute(
            text(
                "INSERT INTO requests VALUES (:id, :key, :content, :entity, 'received', :received, :due, "
                "NULL, NULL, NULL, NULL, NULL, NULL, '', 0)"
            ),
            {**values, **times},
        )
    plain.dispose()
    queue = Queue(desk.place.ledger())
    assert queue.all() == [row]
    assert queue.find(row.key) == row
    with plain.connect() as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master")).scalars().all()
    assert "requests" not in tables
