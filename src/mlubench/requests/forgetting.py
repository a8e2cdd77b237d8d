"""What is deleted once a request has ended: what was sent, and the names. The ledger stays."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import inspect, update

from mlubench.core.errors import UsageError
from mlubench.ledger.entries import Entry
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.subjects import Subjects
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.in_force import drop_superseded
from mlubench.requests.place import FOLDER, Place
from mlubench.requests.queue import Queue, now
from mlubench.requests.recording import Recorder
from mlubench.requests.rows import REQUESTS, DeletionRequest
from mlubench.requests.states import StateError


def has_ended_before(row: DeletionRequest, days: int) -> bool:
    """Whether the request ended more than so many days ago."""
    if row.ended is None:
        return False
    return datetime.fromisoformat(row.ended) < datetime.now(UTC) - timedelta(days=days)


def forget(place: Place, queue: Queue, record: Recorder, row: DeletionRequest) -> DeletionRequest:
    """Delete the request's folder and names. Raises StateError for one that has not ended.

    Where it is cut off, the next call does the rest.
    """
    _require_ended(row)
    if row.forgotten is not None:
        return row
    _delete(place.store.root, row)
    return queue.note(row, record.forgotten(row), forgotten=now(), sealed=None)


def destroy_subject(
    ledger: Ledger, subject: str, *, actor: str, reason: str, place: Place | None
) -> Entry:
    """As `Ledger.destroy`, and what requests about the subject have left goes first: rows, and what was sent.

    `place` is the store of the requests; None where the ledger lies in it. Raises StateError while a request about the
    subject has not ended, since it needs what was sent to make the gate anew.
    """
    rows = _requests_about(ledger, subject)
    for row in rows:
        _require_ended(row)
    for row in rows:
        if row.forgotten is None:
            _delete(_store_root(ledger, place, row), row)
    with ledger.transaction() as writer:
        ids = [row.id for row in rows]
        for row in _requests_about(ledger, subject):
            # Sent in meanwhile.
            if row.id not in ids:
                _require_ended(row)
        gone = update(REQUESTS).where(REQUESTS.c.id.in_(ids))
        if ids:
            writer.connection.execute(gone.values(forgotten=now(), sealed=None))
        return writer.destroy(subject, actor=actor, reason=reason)


def _requests_about(ledger: Ledger, subject: str) -> list[DeletionRequest]:
    """None where the ledger is no store's, or does not know the subject."""
    with ledger.database.reading() as connection:
        if not inspect(connection).has_table(REQUESTS.name):
            return []
        key = Subjects(connection, ledger.keys).find(subject)
    return Queue(ledger).about(key.subject) if key is not None else []


def _store_root(ledger: Ledger, place: Place | None, row: DeletionRequest) -> Path:
    if place is not None:
        return place.store.root
    file = ledger.database.file
    if file is not None and file.absolute().parent.name == FOLDER:
        return file.absolute().parent.parent
    raise UsageError(
        f"what was sent with request {row.id} lies in its store, and the ledger does not",
        "Name the store: --store RUN|STORE.",
    )


def _require_ended(row: DeletionRequest) -> None:
    if row.ended is None:
        raise StateError(
            f"request {row.id} is {row.state}, and what was sent with it is still needed",
            "Reject or revert it first; where a revert was cut off, run `mlubench request work`.",
        )


def _delete(store: Path, row: DeletionRequest) -> None:
    """The request's folder, and gates that knew it and count no more."""
    folder = store / FOLDER / row.id
    if folder.is_dir():
        shutil.rmtree(folder)
    with state.locked(store):
        drop_superseded(store)
