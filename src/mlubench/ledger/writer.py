"""Appends, one after the other, inside one transaction of the database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue
from sqlalchemy import Connection, insert, select, update

from mlubench.core.errors import UsageError
from mlubench.core.reading import json_value, of_shape
from mlubench.ledger.entries import Entry, entry_line
from mlubench.ledger.events import Event, require_actor
from mlubench.ledger.keys import Keys
from mlubench.ledger.subjects import SubjectKey, Subjects
from mlubench.ledger.tables import ENTRIES, LEDGER

# A line of an export stays one that a person can look at.
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """Where a ledger ends."""

    # The ledger's id.
    ledger: str
    # How many entries it has.
    size: int
    # The last one's hash; `genesis_hash` of an empty one.
    hash: str
    # The public key of who signs for it, in hex.
    signer: str


def lock_ledger(connection: Connection) -> None:
    """Nobody else appends until the transaction ends. On SQLite it is the only one that writes anyway."""
    connection.execute(select(LEDGER.c.row).with_for_update())


def read_head(connection: Connection) -> Head:
    row = connection.execute(select(LEDGER)).one()
    return Head(ledger=row.id, size=row.size, hash=row.head, signer=row.signer)


def as_entry(line: str) -> Entry:
    """The entry of a stored line."""
    return of_shape(json_value(line), Entry, "an entry of the ledger", _NEWER)


_NEWER = "A newer mlubench may have written it; else run mlubench ledger verify."


@dataclass(frozen=True, slots=True)
class Writer:
    """What `Ledger.transaction` gives. The caller may change tables of its own on `connection`."""

    connection: Connection
    # Called only where there is something to encrypt.
    keys: Callable[[], Keys]

    def append(
        self,
        event: Event,
        *,
        subject: str | None = None,
        details: Mapping[str, JsonValue] | None = None,
    ) -> Entry:
        """As `Ledger.append`; it is on the disk when the transaction ends."""
        if details and subject is None:
            raise UsageError(
                "details without a subject have no key", "Name the subject whose details they are."
            )
        head = read_head(self.connection)
        known = self._known(event)
        if known:
            return known
        key = self._key(subject) if subject is not None else None
        sealed = key.seal(details, sealed_at(head.ledger, event)) if key and details else None
        return self._write(head, event, key.subject if key else None, sealed)

    def destroy(self, name: str, *, actor: str, reason: str) -> Entry:
        """As `Ledger.destroy`."""
        require_actor(actor)
        head = read_head(self.connection)
        subjects = Subjects(self.connection, self.keys())
        key = subjects.find(name)
        if key is None:
            raise UsageError(
                "the ledger holds no key of this subject",
                "Check the name. It may be destroyed already: mlubench ledger list --kind destroyed.",
            )
        subjects.destroy(key)
        event = Event(kind="destroyed", actor=actor, reason=reason)
        return self._write(head, event, key.subject, None)

    def _known(self, event: Event) -> Entry | None:
        """The entry of an event that was appended before, as where its writer was killed and begins anew."""
        query = select(ENTRIES.c.line).where(ENTRIES.c.event == event.id)
        line = self.connection.execute(query).scalar_one_or_none()
        if line is None:
            return None
        entry = as_entry(line)
        if (entry.event.kind, entry.event.request) != (event.kind, event.request):
            raise UsageError(
                f"the ledger holds another event of the id {event.id}",
                "Give each event its own id.",
            )
        return entry

    def _key(self, subject: str) -> SubjectKey:
        return Subjects(self.connection, self.keys()).find_or_make(subject)

    def _write(self, head: Head, event: Event, subject: str | None, sealed: str | None) -> Entry:
        content: dict[str, JsonValue] = {
            "index": head.size,
            "previous": head.hash,
            "recorded": _now(),
            "event": event.model_dump(mode="json"),
            "subject": subject,
            "sealed": sealed,
        }
        line = entry_line(content)
        if len(line) > _LONGEST_LINE:
            raise UsageError(
                f"an event takes {len(line)} bytes, and {_LONGEST_LINE} are the most",
                "Keep large things in a file, and record its hash.",
            )
        entry = as_entry(line)
        row = insert(ENTRIES).values(
            index=entry.index,
            hash=entry.hash,
            previous=entry.previous,
            event=event.id,
            kind=event.kind,
            request=event.request,
            subject=subject,
            line=line,
        )
        self.connection.execute(row)
        self.connection.execute(update(LEDGER).values(size=head.size + 1, head=entry.hash))
        return entry


def sealed_at(ledger: str, event: Event) -> str:
    """The one place where an event's details open."""
    return f"{ledger}/{event.id}"


def _now() -> str:
    # As pydantic writes the times of events.
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
