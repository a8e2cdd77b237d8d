"""The queue: one row a request, in a database. A row moves from state to state and nobody moves it twice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import JSON, Engine, String, create_engine, event, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest
from mlubench.requests.states import State, require_step

# Seconds that one process waits for another's write.
_PATIENCE = 30


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
        return _seconds(self.approved, self.gate_since)

    @property
    def seconds_to_expert(self) -> float | None:
        """From approval until its expert answers."""
        return _seconds(self.approved, self.expert_since)


class _Table(DeclarativeBase):
    pass


class _Row(_Table):
    __tablename__ = "requests"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    content: Mapped[str] = mapped_column(String(64))
    entity: Mapped[str]
    state: Mapped[str] = mapped_column(String(16), index=True)
    received: Mapped[str] = mapped_column(String(40), index=True)
    due: Mapped[str] = mapped_column(String(40))
    approved: Mapped[str | None] = mapped_column(String(40))
    gate_since: Mapped[str | None] = mapped_column(String(40))
    expert_since: Mapped[str | None] = mapped_column(String(40))
    ended: Mapped[str | None] = mapped_column(String(40))
    expert: Mapped[str | None] = mapped_column(String(64))
    measured: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    why: Mapped[str] = mapped_column(default="")
    failures: Mapped[int] = mapped_column(default=0)


_COLUMNS = tuple(field.name for field in fields(DeletionRequest))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Queue:
    """All requests of a store. Several processes and threads may use one database."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        with _told():
            _Table.metadata.create_all(self.engine)

    @classmethod
    def at(cls, database: Path) -> "Queue":
        database.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{database}")

    def find(self, key: str) -> DeletionRequest | None:
        """The request that came with this key."""
        with _told(), Session(self.engine) as session:
            row = session.scalar(select(_Row).where(_Row.key == key))
            return _request(row) if row is not None else None

    def add(self, key: str, content: str, entity: str, days: int) -> tuple[DeletionRequest, bool]:
        """The request of this key, and whether it is new. Raises UsageError where the key came with something else."""
        due = datetime.now(UTC) + timedelta(days=days)
        row = _Row(
            id=id_of(key),
            key=key,
            content=content,
            entity=entity,
            state="received",
            received=now(),
            due=due.isoformat(timespec="seconds"),
        )
        with _told(), Session(self.engine) as session:
            session.add(row)
            try:
                session.commit()
            except IntegrityError:
                session.rollback()
            else:
                return _request(row), True
        there = self.find(key)
        if there is None:
            raise MlubenchError(f"request {key!r} could not be taken in", "Send it again.")
        if there.content != content:
            raise UsageError(
                f"key {key!r} came with another request before ({there.id})", "Give another --key."
            )
        return there, False

    def get(self, request: str) -> DeletionRequest:
        """The request of an id, or of the beginning of one. Raises UsageError where there is none, or several."""
        with _told(), Session(self.engine) as session:
            begins = _Row.id.startswith(request, autoescape=True)
            rows = session.scalars(select(_Row).where(begins).limit(2)).all()
            found = [_request(row) for row in rows]
        if len(found) != 1:
            what = "no request" if not found else "several requests"
            raise UsageError(f"{what} of id {request!r}", "See `mlubench request list`.")
        return found[0]

    def all(self, *states: State) -> list[DeletionRequest]:
        """Those in these states, or all: the one that came first comes first."""
        wanted = select(_Row).order_by(_Row.received, _Row.id)
        if states:
            wanted = wanted.where(_Row.state.in_(states))
        with _told(), Session(self.engine) as session:
            return [_request(row) for row in session.scalars(wanted)]

    def move(self, request: DeletionRequest, to: State, **changes: object) -> DeletionRequest:
        """The request in its next state. Raises UsageError where that does not follow, or somebody else was faster."""
        require_step(request.state, to, request.id)
        return self._change(request, {"state": to, "why": "", "failures": 0, **changes})

    def note(self, request: DeletionRequest, **changes: object) -> DeletionRequest:
        """The request with other facts, in the same state."""
        return self._change(request, changes)

    def _change(self, request: DeletionRequest, changes: dict[str, object]) -> DeletionRequest:
        unchanged = (_Row.id == request.id, _Row.state == request.state)
        with _told(), Session(self.engine) as session:
            done = session.execute(update(_Row).where(*unchanged).values(**changes))
            session.commit()
            # What an UPDATE gives back knows how many rows it has changed.
            changed = cast(Any, done).rowcount
        if not changed:
            raise UsageError(
                f"request {request.id} is no longer {request.state}", "See `mlubench request show`."
            )
        return self.get(request.id)


def id_of(key: str) -> str:
    """The same for the same key, so that a request that comes twice has one folder."""
    return f"req-{digest(key, 12)}"


def _request(row: _Row) -> DeletionRequest:
    return DeletionRequest(**{name: getattr(row, name) for name in _COLUMNS})


def _seconds(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return round(passed.total_seconds(), 3)


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": _PATIENCE})

    @event.listens_for(engine, "connect")
    def _settle(connection: Any, _: object) -> None:
        # Readers and one writer at once; a commit that returned has reached the disk.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


@contextmanager
def _told() -> Iterator[None]:
    """Errors of the database as one line."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise MlubenchError(
            f"the queue cannot be used: {cause}", "Nothing was changed; try again once it is there."
        ) from error


def shown(requests: Sequence[DeletionRequest]) -> list[str]:
    """A line for each, for people."""
    lines = []
    for request in requests:
        why = f"  {request.why}" if request.why else ""
        lines.append(
            f"{request.id}  {request.state:<9} {request.entity:<32} due {request.due[:10]}{why}"
        )
    return lines
