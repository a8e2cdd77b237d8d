"""Kept replies: whole, once, shared by processes, and clear errors where the file is none."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.endpoint.completion import Answer
from mlubench.endpoint.replies import ReplyCache

ANSWER = Answer("äh \U0001f600", "model", "fp", (3, 4), 0.5)


def test_what_is_kept_comes_back_the_same(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path / "deep" / "x.sqlite")
    cache.keep({"a": ANSWER, "b": Answer("2")})
    assert ReplyCache(cache.path).known(["a", "b", "c"]) == {"a": ANSWER, "b": Answer("2")}
    cache.keep({"a": Answer("other")})
    assert cache.known(["a"])["a"] == ANSWER
    cache.keep({"half": Answer("\ud800")})
    assert cache.known(["half"])["half"].text == "?"
    assert len(cache) == 3


def test_many_keys_at_once(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path / "x.sqlite")
    cache.keep({str(n): Answer(str(n)) for n in range(2000)})
    assert len(cache.known([str(n) for n in range(3000)])) == 2000


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    caches = [ReplyCache(tmp_path / "x.sqlite") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: caches[n % 4].keep({str(n // 2): Answer(str(n))}), range(40)))
    assert len(caches[0]) == 20


def test_the_journal_is_no_write_ahead_log(tmp_path: Path) -> None:
    """SQLite before 3.51.3 can corrupt one."""
    cache = ReplyCache(tmp_path / "x.sqlite")
    with cache._connection() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
        assert db.execute("PRAGMA synchronous").fetchone() == (3,)
    with sqlite3.connect(cache.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 10)
    with pytest.raises(MlubenchError, match=r"x.sqlite cannot be used"):
        ReplyCache(path)


def test_an_old_file_of_lines_is_taken_over_once(tmp_path: Path) -> None:
    """Its last line was cut by a kill, and a line within by a kill before that."""
    old = tmp_path / "x.jsonl"
    old.write_text('{"key": "a", "reply": "1"}\n{"key": "b\n{"key": "c", "reply": "\u00e4"}\n{"ke')
    cache = ReplyCache(tmp_path / "x.sqlite", old=old)
    assert cache.known(["a", "b", "c"]) == {"a": Answer("1"), "c": Answer("\u00e4")}
    old.write_text('{"key": "d", "reply": "later"}\n')
    assert len(ReplyCache(cache.path, old=old)) == 2
    assert len(ReplyCache(tmp_path / "new.sqlite", old=tmp_path / "absent.jsonl")) == 0
