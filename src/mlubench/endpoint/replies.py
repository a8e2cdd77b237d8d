"""The one cache of replies: what a model was asked is never paid for twice, and a kill loses nothing.

Judges keep their replies here for all runs of a machine, gates keep theirs in the run's folder.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.lines import parse_lines
from mlubench.endpoint.completion import Answer
from mlubench.settings.strict import Strict

# `key` is a hash of everything that the reply depends on. `facts` is JSON of an Answer but its text.
_TABLE = """CREATE TABLE IF NOT EXISTS replies
(key TEXT PRIMARY KEY, reply TEXT NOT NULL, facts TEXT NOT NULL)"""
# Seconds that a process waits while another one writes.
_PATIENCE = 60.0
# Keys that one SELECT asks for. SQLite takes 999 parameters.
_KEYS_AT_ONCE = 500


class _OldReply(Strict):
    """A line of the files that gates once kept their replies in."""

    key: str
    reply: str


class ReplyCache:
    """Replies by key, in a SQLite file that several processes may use at once.

    `old` is a JSON-lines file of `{"key", "reply"}`, as gates once kept their replies. What it holds is taken over when
    the new file is made; the old one stays where it is.
    Raises MlubenchError where the file cannot be read or written.
    """

    def __init__(self, path: Path, *, old: Path | None = None) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as db:
            db.execute(_TABLE)
        # An empty cache is a new one, or one whose maker was killed before it had taken the old file over.
        if old is not None and len(self) == 0:
            rows = parse_lines(old, _OldReply.model_validate, broken="skip")
            self.keep({row.key: Answer(row.reply) for row in rows})

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are written when the block ends, all or none."""
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as db, db:
                # A rollback journal: in WAL mode SQLite before 3.51.3 can corrupt a file that several connections use.
                db.execute("PRAGMA journal_mode=TRUNCATE")
                # A reply that `keep` has returned from is on the disk, also after a loss of power.
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
        with self._connection() as db:
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                some = keys[start : start + _KEYS_AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, reply, facts FROM replies WHERE key IN ({marks})"
                for key, reply, facts in db.execute(query, list(some)):
                    found[key] = _answer(reply, facts)
        return found

    def keep(self, replies: Mapping[str, Answer]) -> None:
        """Write replies down, all or none. One that is there already stays."""
        if not replies:
            return
        rows = []
        for key, answer in replies.items():
            # SQLite refuses half a surrogate pair, which a model may well write.
            text = answer.text.encode(errors="replace").decode()
            rows.append((key, text, _facts(answer)))
        with self._connection() as db:
            db.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", rows)

    def __len__(self) -> int:
        with self._connection() as db:
            (count,) = db.execute("SELECT count(*) FROM replies").fetchone()
        return int(count)


def _facts(answer: Answer) -> str:
    facts = asdict(answer)
    del facts["text"]
    return json.dumps(facts)


def _answer(reply: str, facts: str) -> Answer:
    values = json.loads(facts)
    # JSON knows no tuples.
    values["tokens"] = tuple(values["tokens"])
    return Answer(reply, **values)
