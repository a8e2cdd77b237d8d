"""The ledger: events are appended, read and proved; nothing that is in it changes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Row, insert, inspect, select

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.ledger.database import Database, open_database
from mlubench.ledger.entries import Entry, genesis_hash
from mlubench.ledger.events import Event, Kind
from mlubench.ledger.keys import Keys, make_keys, read_keys
from mlubench.ledger.schema import is_up_to_date, migrate
from mlubench.ledger.signing import public_key
from mlubench.ledger.subjects import Subjects
from mlubench.ledger.tables import ENTRIES, LEDGER
from mlubench.ledger.writer import Head, Writer, as_entry, lock_ledger, read_head, sealed_at

# Entries fetched at once.
_PAGE = 500


class Ledger:
    """An append-only ledger in a database.

    `key_file` need not be there to read entries. It is to seal and to read details, to sign, and to make a ledger.
    """

    def __init__(self, database: Database, key_file: Path | None, signer: str) -> None:
        """`Ledger.open` calls this once the tables are there."""
        self.database = database
        self.key_file = key_file
        # The public key of who signs for it, in hex. It never changes.
        self.signer = signer
        self._keys: Keys | None = None

    @classmethod
    def open(cls, place: str | Path, *, keys: Path | None = None, create: bool = True) -> "Ledger":
        """The ledger at a path (SQLite) or a URL (PostgreSQL), its tables brought up to date.

        `keys` is the key file; beside an SQLite file it is FILE.keys.json if not given. With `create`, a ledger that is not
        there is made. Raises UsageError for a place that is none, MlubenchError for a database that cannot be reached.
        """
        database = open_database(place, create=create)
        if keys is None and database.file is not None:
            keys = database.file.with_name(f"{database.file.name}.keys.json")
        with database.reading() as connection:
            ready = is_up_to_date(connection)
        if not ready:
            _set_up(database, keys, create=create)
        with database.reading() as connection:
            signer = read_head(connection).signer
        return cls(database, keys, signer)

    def close(self) -> None:
        """Give the connections to a server back. A closed ledger opens them again when it is used."""
        self.database.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def keys(self) -> Keys:
        """Raises MlubenchError where the key file is absent, open to others, or of another ledger."""
        if self._keys is None:
            keys = read_keys(_required(self.key_file))
            if public_key(keys.signing) != self.signer:
                raise MlubenchError(
                    f"the key file {self.key_file} is not that of this ledger",
                    "Give the one that the ledger was made with.",
                )
            self._keys = keys
        return self._keys

    def append(
        self,
        event: Event,
        *,
        subject: str | None = None,
        details: Mapping[str, JsonValue] | None = None,
    ) -> Entry:
        """Write an event. When this returns, it is on the disk.

        `subject` names whom it is about (as `People/Jane_Doe`) and is kept as a keyed hash. `details` are kept encrypted
        with the subject's key. An event whose id is there already is not written twice: its entry is returned.
        """
        with self.transaction() as writer:
            return writer.append(event, subject=subject, details=details)

    @contextmanager
    def transaction(self) -> "Iterator[Writer]":
        """Several appends, and changes of the caller's own tables on `writer.connection`: all of them or none.

        Others who append, or begin a transaction, wait until it ends.
        """
        with self.database.writing() as connection:
            lock_ledger(connection)
            yield Writer(connection, lambda: self.keys)

    def head(self) -> Head:
        with self.database.reading() as connection:
            return read_head(connection)

    def entries(
        self,
        *,
        request: str | None = None,
        kind: Kind | None = None,
        subject: str | None = None,
        since: int = 0,
    ) -> Iterator[Entry]:
        """Entries in their order, from index `since` on; those of a request, of a kind, about a subject."""
        wanted: list[ColumnElement[bool]] = []
        if request is not None:
            wanted.append(ENTRIES.c.request == request)
        if kind is not None:
            wanted.append(ENTRIES.c.kind == kind)
        if subject is not None:
            wanted.append(ENTRIES.c.subject == self._hash_of(subject))
        for row in self.rows(*wanted, since=since):
            yield as_entry(row.line)

    def rows(
        self, *wanted: ColumnElement[bool], since: int = 0, until: int | None = None
    ) -> Iterator[Row[Any]]:
        """Rows of `tables.ENTRIES` as they are stored, from index `since` on and before `until`.

        They come in pages, so that no transaction stays open while the caller works.
        """
        query = select(ENTRIES).where(*wanted).order_by(ENTRIES.c.index).limit(_PAGE)
        if until is not None:
            query = query.where(ENTRIES.c.index < until)
        while True:
            with self.database.reading() as connection:
                page = connection.execute(query.where(ENTRIES.c.index >= since)).all()
            if not page:
                return
            yield from page
            since = page[-1]._mapping["index"] + 1

    def entry(self, name: int | str) -> Entry:
        """One entry, by its index or by its event's id. Raises UsageError where there is none."""
        column = ENTRIES.c.index if isinstance(name, int) else ENTRIES.c.event
        with self.database.reading() as connection:
            line = connection.execute(
                select(ENTRIES.c.line).where(column == name)
            ).scalar_one_or_none()
        if line is None:
            raise UsageError(f"there is no entry {name}", "See: mlubench ledger list.")
        return as_entry(line)

    def details(self, entry: Entry) -> dict[str, JsonValue] | None:
        """What was sealed in an entry. None where nothing was, or where the subject's key is destroyed."""
        if entry.sealed is None or entry.subject is None:
            return None
        keys, place = self.keys, sealed_at(self.head().ledger, entry.event)
        with self.database.reading() as connection:
            key = Subjects(connection, keys).of_hash(entry.subject)
        return key.unseal(entry.sealed, place) if key else None

    def destroy(self, subject: str, *, actor: str, reason: str = "") -> Entry:
        """Destroy a subject's key. Its details can be read no more, and its hash is tied to no name; the chain stays valid.

        Returns the entry that says so. Raises UsageError for a subject that is not known, or no more.
        """
        with self.transaction() as writer:
            return writer.destroy(subject, actor=actor, reason=reason)

    def _hash_of(self, subject: str) -> str:
        keys = self.keys
        with self.database.reading() as connection:
            found = Subjects(connection, keys).find(subject)
        # No entry is about the empty hash.
        return found.subject if found else ""


def _set_up(database: Database, key_file: Path | None, *, create: bool) -> None:
    """Make or change the tables, and the ledger in them."""
    with database.writing() as connection:
        if not create and not inspect(connection).has_table(LEDGER.name):
            raise UsageError(
                f"{database.name} holds no ledger", "Give the ledger's file, or its URL."
            )
        migrate(connection)
        if connection.execute(select(LEDGER.c.id)).one_or_none() is None:
            _begin(connection, _required(key_file))


def _begin(connection: Connection, key_file: Path) -> None:
    # Fresh keys for a fresh ledger alone: those of one that is there must be found again, not made anew.
    keys = make_keys(key_file)
    name = str(uuid4())
    row = insert(LEDGER).values(
        row=1, id=name, size=0, head=genesis_hash(name), signer=public_key(keys.signing)
    )
    connection.execute(row)


def _required(key_file: Path | None) -> Path:
    if key_file is None:
        raise UsageError(
            "a ledger in a database needs a key file", "Name it: --keys FILE; it is made."
        )
    return key_file
