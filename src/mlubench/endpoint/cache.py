"""Replies kept in SQLite by the hash of all that was asked, so that nothing is paid for twice and a kill loses nothing."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.endpoint.client import Answer

_TABLE = "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL, facts TEXT NOT NULL)"
_PATIENCE = 60.0  # seconds that a process waits while another writes
_AT_ONCE = 500  # keys in one question; SQLite takes 999


class ReplyCache:
    """Several processes may use one file at once.

    The journal is a rollback one: in WAL mode SQLite before 3.51.3 can corrupt a file that several connections use. With
    `synchronous=EXTRA` a reply that `keep` has returned from is on the disk. Raises MlubenchError where the file cannot be
    read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._opened() as db:
            db.execute(_TABLE)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as db, db:
                db.execute("PRAGMA journal_mode=TRUNCATE")
                db.execute("PRAGMA synchronous=EXTRA")
                yield db
        except sqlite3.Error as error:
            raise MlubenchError(
                f"{self.path} cannot be used: {error}",
                "Free space, or delete it: replies would be asked for again.",
            ) from error

    def known(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The kept replies among those with these keys."""
        found: dict[str, Answer] = {}
        with self._opened() as db:
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = db.execute(
                    f"SELECT key, reply, facts FROM replies WHERE key IN ({marks})", list(some)
                )
                found |= {key: _answer(reply, facts) for key, reply, facts in rows}
        return found

    def keep(self, replies: Mapping[str, Answer]) -> None:
        """Write replies down, all or none. One that is there already stays."""
        if not replies:
            return
        rows = [
            (k, a.text.encode(errors="replace").decode(), _facts(a)) for k, a in replies.items()
        ]
        with self._opened() as db:
            db.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", rows)

    def __len__(self) -> int:
        with self._opened() as db:
            (count,) = db.execute("SELECT count(*) FROM replies").fetchone()
        return int(count)


def _facts(answer: Answer) -> str:
    return json.dumps({k: v for k, v in asdict(answer).items() if k != "text"})


def _answer(reply: str, facts: str) -> Answer:
    said = json.loads(facts)
    return Answer(reply, **{**said, "tokens": tuple(said["tokens"])})
