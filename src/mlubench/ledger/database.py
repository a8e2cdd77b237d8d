"""The database of a ledger: SQLite in a file, or PostgreSQL by URL. Its errors are one line."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from mlubench.core.errors import MlubenchError, UsageError, first_line

_URLS = "Give the path of a file, or a URL: postgresql://user@host/name."
# Seconds that one writer waits for the others.
_PATIENCE = 120
_GO_ON = "Mend the database, or the way to it; the same call goes on."
_NOTHING_WRITTEN = (
    "Nothing of this was written. Free space or mend the file; the same call goes on."
)
# The connection may have broken after the server had it on its disk, and before it could say so.
_MAYBE_WRITTEN = (
    "Mend the server, or the way to it, and call again: an event with the same id is written once."
)
_WRITES = {"sqlite_begin": "BEGIN IMMEDIATE"}


@dataclass(frozen=True, slots=True)
class Database:
    """Transactions on one database."""

    engine: Engine
    # For a person, without a password.
    name: str
    # None: it is no file.
    file: Path | None
    # Threads of this process wait here for each other. SQLite alone would have them look again and again.
    turn: AbstractContextManager[object]

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the ledger. Raises MlubenchError where the database cannot be reached."""
        with (
            _one_line(self.name, "read", _GO_ON),
            self.engine.connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on the disk when this ends, or has changed nothing.

        On SQLite there is one at a time. On PostgreSQL the caller locks the row that it changes.
        """
        with (
            _one_line(self.name, "written", _NOTHING_WRITTEN if self.file else _MAYBE_WRITTEN),
            self.turn,
            self.engine.connect().execution_options(**_WRITES) as connection,
            connection.begin(),
        ):
            yield connection


def open_database(place: str | Path, *, create: bool) -> Database:
    """`place` is a path, or a URL such as `postgresql://host/name`. Raises UsageError for what is neither."""
    text = str(place)
    if "://" not in text:
        return _sqlite(Path(text), create=create)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text itself may hold a password.
        raise UsageError("the ledger's URL cannot be read", _URLS) from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return _sqlite(Path(url.database), create=create)
    if backend not in ("postgresql", "postgres"):
        raise UsageError(f"a ledger cannot be kept in {backend}", _URLS)
    name = url.render_as_string(hide_password=True)
    # The one driver that our extra names.
    url = url.set(drivername="postgresql+psycopg")
    try:
        engine = create_engine(
            url, pool_pre_ping=True, pool_timeout=_PATIENCE, hide_parameters=True
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise MlubenchError(
            "the psycopg package is missing", "Run: pip install 'mlubench[postgres]'."
        ) from None
    # There it is the locked row that they wait for.
    return Database(engine, name, None, nullcontext())


def _sqlite(path: Path, *, create: bool) -> Database:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "Give the ledger's file in it.")
    if not path.is_file():
        if not create:
            raise UsageError(f"{path} does not exist", "Give the ledger's file, or its URL.")
        _make_file(path)
    # `rw`: a file that was moved away is an error. It is never made anew behind the back of who appends.
    address = f"{path.absolute().as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        # No isolation level: transactions begin where `_begin` says, and nowhere else.
        return sqlite3.connect(
            address, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )

    # No connection is kept: each opens the file that is there now.
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return Database(engine, str(path), path, threading.RLock())


def _make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # An empty file is an empty database. What it will hold is nobody else's business.
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # What is committed survives a power cut, the removal of the journal included.
    connection.execute("PRAGMA synchronous = EXTRA")
    # What is deleted is overwritten: that is what destroying a key means.
    connection.execute("PRAGMA secure_delete = ON")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN"))


def is_of_the_database(error: BaseException) -> bool:
    """Whether an error is one that `reading` or `writing` has put into a line."""
    return isinstance(error, MlubenchError) and isinstance(error.__cause__, SQLAlchemyError)


@contextmanager
def _one_line(name: str, what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # The driver's own words; those of SQLAlchemy repeat the statement.
        cause = error.orig if isinstance(error, DBAPIError) else None
        problem = first_line(cause if isinstance(cause, Exception) else error)
        raise MlubenchError(f"the ledger {name} cannot be {what}: {problem}", hint) from error
