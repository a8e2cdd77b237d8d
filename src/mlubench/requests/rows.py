"""How a request lies in the database. What names somebody is sealed: without the subject's key nobody can read it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
)

from mlubench.core.files import digest
from mlubench.ledger.keys import Keys
from mlubench.ledger.subjects import Subjects
from mlubench.ledger.tables import SUBJECTS
from mlubench.requests.states import State

METADATA = MetaData()
REQUESTS = Table(
    "deletion_requests",
    METADATA,
    Column("id", String(64), primary_key=True),
    # The hash of the key by which the same request is known, since a key may name somebody.
    Column("key", String(64), nullable=False, unique=True),
    Column("content", String(64), nullable=False),
    # Whom it is about, by the ledger's keyed hash, and `Names`, sealed with that subject's key. None once forgotten.
    Column("subject", String(64), nullable=False, index=True),
    Column("sealed", Text),
    Column("state", String(16), nullable=False, index=True),
    Column("received", String(40), nullable=False, index=True),
    Column("due", String(40), nullable=False),
    Column("approved", String(40)),
    Column("gate_since", String(40)),
    Column("expert_since", String(40)),
    Column("ended", String(40)),
    Column("forgotten", String(40)),
    Column("expert", String(64)),
    Column("measured", JSON),
    Column("failures", Integer, nullable=False, default=0),
)
# What earlier versions kept all of it in, in plain.
_EARLIER = "requests"


@dataclass(frozen=True, slots=True)
class DeletionRequest:
    """A request. Times are ISO 8601 in UTC."""

    # Also the name of its task and, mostly, of its expert.
    id: str
    # By which the same request is known when it comes again. Like all that may name somebody "" once it is forgotten.
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
    # When what was sent, and the names, were deleted.
    forgotten: str | None = None
    # The expert that answers for it.
    expert: str | None = None
    # What was measured, as `measuring.Measured`.
    measured: dict[str, Any] | None = None
    # Why it does not go on, for a person.
    why: str = ""
    # How often a step of it has failed in a row.
    failures: int = 0

    @property
    def named(self) -> str:
        """Whom it is about, for people."""
        return self.entity or "(deleted)"

    @property
    def seconds_to_gate(self) -> float | None:
        """From approval until the gate refuses it."""
        return seconds_between(self.approved, self.gate_since)

    @property
    def seconds_to_expert(self) -> float | None:
        """From approval until its expert answers."""
        return seconds_between(self.approved, self.expert_since)


# What is sealed.
_NAMES = ("key", "entity", "why")
_PLAIN = tuple(field.name for field in fields(DeletionRequest) if field.name not in _NAMES)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows, in one transaction."""

    connection: Connection
    keys: Keys
    # The ledger's id: what is sealed opens in no other.
    ledger: str

    def found(self, *wanted: ColumnElement[bool]) -> list[DeletionRequest]:
        """Those of these conditions: the one that came first comes first."""
        query = _with_subject().where(*wanted).order_by(REQUESTS.c.received, REQUESTS.c.id)
        return [self._opened(row) for row in self.connection.execute(query)]

    def add(self, row: DeletionRequest) -> None:
        subject = Subjects(self.connection, self.keys).find_or_make(row.entity)
        values = {name: getattr(row, name) for name in _PLAIN}
        values["key"] = key_hash(row.key)
        values["subject"] = subject.subject
        values["sealed"] = self.sealed(row)
        self.connection.execute(insert(REQUESTS).values(values))

    def sealed(self, row: DeletionRequest) -> str:
        """What names somebody, encrypted. It opens in this row alone."""
        subject = Subjects(self.connection, self.keys).find_or_make(row.entity)
        names = {name: getattr(row, name) for name in _NAMES}
        return subject.seal(names, self._place(row.id))

    def _opened(self, found: Row[Any]) -> DeletionRequest:
        values: dict[str, Any] = {name: getattr(found, name) for name in _PLAIN}
        row = DeletionRequest(key="", entity="", **values)
        # Forgotten, or the subject's key was destroyed.
        if found.sealed is None or found.wrapped is None:
            return row
        subject = Subjects(self.connection, self.keys).opened(found.subject, found.wrapped)
        names: Mapping[str, Any] = subject.unseal(found.sealed, self._place(row.id))
        return replace(row, **names)

    def _place(self, request: str) -> str:
        return f"{self.ledger}/requests/{request}"


def is_ready(connection: Connection) -> bool:
    """Whether the table is there, and nothing of an earlier version any more."""
    return inspect(connection).has_table(REQUESTS.name) and _earlier(connection) is None


def make_ready(connection: Connection, rows: "Rows") -> None:
    """Make the table, and seal what an earlier version kept in plain."""
    METADATA.create_all(connection)
    earlier = _earlier(connection)
    if earlier is None:
        return
    for found in connection.execute(select(earlier)).mappings():
        rows.add(DeletionRequest(**found))
    earlier.drop(connection)


def _earlier(connection: Connection) -> Table | None:
    """The table of an earlier version. One of that name and of other columns is somebody else's."""
    if not inspect(connection).has_table(_EARLIER):
        return None
    found = Table(_EARLIER, MetaData(), autoload_with=connection)
    known = {field.name for field in fields(DeletionRequest)} - {"forgotten"}
    return found if set(found.columns.keys()) == known else None


def seconds_between(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return round(passed.total_seconds(), 3)


def key_hash(key: str) -> str:
    return digest(key, 64)


def _with_subject() -> Select[Any]:
    """Rows beside the encrypted keys of their subjects, where these are not destroyed."""
    joined = REQUESTS.outerjoin(SUBJECTS, REQUESTS.c.subject == SUBJECTS.c.subject)
    return select(REQUESTS, SUBJECTS.c.wrapped).select_from(joined)
