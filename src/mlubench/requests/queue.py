"""The queue: one row a request, in the ledger's database. A row and the entry that tells of it change together, or not."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue
from sqlalchemy import Connection, update

from mlubench.core.errors import UsageError
from mlubench.core.files import digest
from mlubench.ledger.events import Event
from mlubench.ledger.ledger import Ledger
from mlubench.requests.rows import (
    REQUESTS,
    DeletionRequest,
    Rows,
    is_ready,
    key_hash,
    make_ready,
)
from mlubench.requests.states import State, StateError, require_step

# Of an id that is none so much is shown.
_SHOWN = 60


class UnknownRequestError(UsageError):
    """There is no request of that id, or more than one."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What the ledger is told beside a change of a row."""

    event: Event
    # Whom it is about. It is kept as a keyed hash.
    subject: str
    # Kept encrypted.
    details: Mapping[str, JsonValue] | None = None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def id_of(key: str) -> str:
    """The same for the same key, so that a request that comes twice has one folder."""
    return f"req-{digest(key, 12)}"


class Queue:
    """All requests of a store. Any number of processes and threads may use it at once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._id = ledger.head().ledger
        with ledger.database.reading() as connection:
            ready = is_ready(connection)
        if not ready:
            # Several may come to this at once: who has the transaction looks again.
            with ledger.transaction() as writer:
                make_ready(writer.connection, self._rows(writer.connection))

    def find(self, key: str) -> DeletionRequest | None:
        """The request that came with this key."""
        with self._reading() as rows:
            return _one(rows, key)

    def add(
        self, key: str, content: str, entity: str, days: int, noted: Noted
    ) -> tuple[DeletionRequest, bool]:
        """The request of this key, and whether it is new. Raises UsageError where the key came with something else."""
        due = datetime.now(UTC) + timedelta(days=days)
        row = DeletionRequest(
            id=id_of(key),
            key=key,
            content=content,
            entity=entity,
            state="received",
            received=now(),
            due=due.isoformat(timespec="seconds"),
        )
        # Whoever else adds waits until this transaction ends.
        with self.ledger.transaction() as writer:
            rows = self._rows(writer.connection)
            there = _one(rows, key)
            if there is None:
                rows.add(row)
                writer.append(noted.event, subject=noted.subject, details=noted.details)
                return row, True
        require_same(there, key, content)
        return there, False

    def get(self, request: str) -> DeletionRequest:
        """The request of an id, or of the beginning of one. Raises UsageError where there is none, or several."""
        with self._reading() as rows:
            found = rows.found(REQUESTS.c.id.startswith(request, autoescape=True))
        # Every id begins with nothing, but who names nothing means none.
        if not request.strip():
            found = []
        if len(found) != 1:
            what = "no request" if not found else "several requests"
            raise UnknownRequestError(
                f"{what} of id {request[:_SHOWN]!r}", "See `mlubench request list`."
            )
        return found[0]

    def all(self, *states: State) -> list[DeletionRequest]:
        """Those in these states, or all: the one that came first comes first."""
        wanted = [REQUESTS.c.state.in_(states)] if states else []
        with self._reading() as rows:
            return rows.found(*wanted)

    def of_expert(self, expert: str) -> list[DeletionRequest]:
        """Those that this expert was or is to be trained for, in order."""
        with self._reading() as rows:
            return rows.found(REQUESTS.c.expert == expert)

    def about(self, subject: str) -> list[DeletionRequest]:
        """Those about whom this keyed hash of the ledger stands for."""
        with self._reading() as rows:
            return rows.found(REQUESTS.c.subject == subject)

    def move(
        self, request: DeletionRequest, to: State, noted: Noted | None, **changes: object
    ) -> DeletionRequest:
        """The request in its next state. Raises UsageError where that does not follow, or somebody else was faster."""
        require_step(request.state, to, request.id)
        return self.note(request, noted, **{"state": to, "why": "", "failures": 0, **changes})

    def note(
        self, request: DeletionRequest, noted: Noted | None, **changes: object
    ) -> DeletionRequest:
        """The request with these facts. Raises UsageError where somebody else has moved it meanwhile."""
        unchanged = (REQUESTS.c.id == request.id, REQUESTS.c.state == request.state)
        with self.ledger.transaction() as writer:
            values = {"state": request.state, **changes}
            why = values.pop("why", request.why)
            if why != request.why:
                # It may name somebody.
                renamed = replace(request, why=str(why))
                values["sealed"] = self._rows(writer.connection).sealed(renamed)
            done = writer.connection.execute(update(REQUESTS).where(*unchanged).values(**values))
            if not done.rowcount:
                raise StateError(
                    f"request {request.id} is no longer {request.state}",
                    "See `mlubench request show`.",
                )
            if noted is not None:
                writer.append(noted.event, subject=noted.subject, details=noted.details)
        return self.get(request.id)

    @contextmanager
    def _reading(self) -> Iterator[Rows]:
        with self.ledger.database.reading() as connection:
            yield self._rows(connection)

    def _rows(self, connection: Connection) -> Rows:
        return Rows(connection, self.ledger.keys, self._id)


def require_same(there: DeletionRequest, key: str, content: str) -> None:
    """Raises UsageError where the key came with another request."""
    if there.content != content:
        raise UsageError(
            f"key {key!r} came with another request before ({there.id})", "Give another --key."
        )


def _one(rows: Rows, key: str) -> DeletionRequest | None:
    return next(iter(rows.found(REQUESTS.c.key == key_hash(key))), None)
