"""The queue: one row a request, in the ledger's database. A row and the entry that tells of it change together, or not."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)

from mlubench.core.errors import UsageError
from mlubench.core.files import digest
from mlubench.ledger.events import Event
from mlubench.ledger.ledger import Ledger
from mlubench.requests.states import State, StateError, require_step


class UnknownRequestError(UsageError):
    """There is no request of that id, or more than one."""


@dataclass(frozen=True, slots=True)
class DeletionRequest:
    """A row of the queue. Times are ISO 8601 in UTC."""

    # Also the name of its task and, mostly, of its expert.
    id: str
    # By which the same request is known when it comes again.
    key: str
    # SHA-256 of what was sent.
    content: str
    entity: str
    state: State
    received: str
    due: str
    approved: str | None = None
    # When the gate began to refuse it, and when its expert began to answer.
    gate_since: str | None = None
    expert_since: str | None = None
    # When it was rejected, or was taken out again.
    ended: str | None = None
    # The expert that answers for it.
    expert: str | None = None
    # What was measured, as `measuring.Measured`.
    measured: dict[str, Any] | None = None
    # Why it does not go on, for a person.
    why: str = ""
    # How often a step of it has failed in a row.
    failures: int = 0

    @property
    def seconds_to_gate(self) -> float | None:
        """From approval until the gate refuses it."""
        return seconds_between(self.approved, self.gate_since)

    @property
    def seconds_to_expert(self) -> float | None:
        """From approval until its expert answers."""
        return seconds_between(self.approved, self.expert_since)


@dataclass(frozen=True, slots=True)
class Noted:
    """What the ledger is told beside a change of a row."""

    event: Event
    # Whom it is about. It is kept as a keyed hash.
    subject: str
    # Kept encrypted.
    details: Mapping[str, JsonValue] | None = None


_METADATA = MetaData()
_REQUESTS = Table(
    "requests",
    _METADATA,
    Column("id", String(64), primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("content", String(64), nullable=False),
    Column("entity", Text, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("received", String(40), nullable=False, index=True),
    Column("due", String(40), nullable=False),
    Column("approved", String(40)),
    Column("gate_since", String(40)),
    Column("expert_since", String(40)),
    Column("ended", String(40)),
    Column("expert", String(64)),
    Column("measured", JSON),
    Column("why", Text, nullable=False, default=""),
    Column("failures", Integer, nullable=False, default=0),
)
_COLUMNS = tuple(field.name for field in fields(DeletionRequest))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def id_of(key: str) -> str:
    """The same for the same key, so that a request that comes twice has one folder."""
    return f"req-{digest(key, 12)}"


class Queue:
    """All requests of a store. Any number of processes and threads may use it at once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        with ledger.database.reading() as connection:
            ready = inspect(connection).has_table(_REQUESTS.name)
        if not ready:
            # Several may come to this at once: who has the transaction looks again.
            with ledger.transaction() as writer:
                _METADATA.create_all(writer.connection)

    def find(self, key: str) -> DeletionRequest | None:
        """The request that came with this key."""
        with self.ledger.database.reading() as connection:
            return _one(connection, _REQUESTS.c.key == key)

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
            there = _one(writer.connection, _REQUESTS.c.key == key)
            if there is None:
                writer.connection.execute(insert(_REQUESTS).values(_values(row)))
                writer.append(noted.event, subject=noted.subject, details=noted.details)
                return row, True
        if there.content != content:
            raise UsageError(
                f"key {key!r} came with another request before ({there.id})", "Give another --key."
            )
        return there, False

    def get(self, request: str) -> DeletionRequest:
        """The request of an id, or of the beginning of one. Raises UsageError where there is none, or several."""
        begins = _REQUESTS.c.id.startswith(request, autoescape=True)
        with self.ledger.database.reading() as connection:
            rows = connection.execute(select(_REQUESTS).where(begins).limit(2)).all()
        if len(rows) != 1:
            what = "no request" if not rows else "several requests"
            raise UnknownRequestError(f"{what} of id {request!r}", "See `mlubench request list`.")
        return _request(rows[0])

    def all(self, *states: State) -> list[DeletionRequest]:
        """Those in these states, or all: the one that came first comes first."""
        wanted = select(_REQUESTS).order_by(_REQUESTS.c.received, _REQUESTS.c.id)
        if states:
            wanted = wanted.where(_REQUESTS.c.state.in_(states))
        with self.ledger.database.reading() as connection:
            return [_request(row) for row in connection.execute(wanted)]

    def of_expert(self, expert: str) -> list[DeletionRequest]:
        """Those that this expert was or is to be trained for, in order."""
        return [row for row in self.all() if row.expert == expert]

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
        unchanged = (_REQUESTS.c.id == request.id, _REQUESTS.c.state == request.state)
        with self.ledger.transaction() as writer:
            done = writer.connection.execute(update(_REQUESTS).where(*unchanged).values(**changes))
            if not done.rowcount:
                raise StateError(
                    f"request {request.id} is no longer {request.state}",
                    "See `mlubench request show`.",
                )
            if noted is not None:
                writer.append(noted.event, subject=noted.subject, details=noted.details)
        return self.get(request.id)


def seconds_between(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return round(passed.total_seconds(), 3)


def _one(connection: Connection, condition: Any) -> DeletionRequest | None:
    row = connection.execute(select(_REQUESTS).where(condition)).one_or_none()
    return _request(row) if row is not None else None


def _request(row: Row[Any]) -> DeletionRequest:
    return DeletionRequest(**{name: getattr(row, name) for name in _COLUMNS})


def _values(row: DeletionRequest) -> dict[str, object]:
    return {name: getattr(row, name) for name in _COLUMNS}
