"""Kept replies: whole, once, shared by processes, and clear errors where the file is none."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.endpoint.cache import ReplyCache
from mlubench.endpoint.client import Answer

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
    with cache._opened() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
        assert db.execute("PRAGMA synchronous").fetchone() == (3,)
    with sqlite3.connect(cache.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 10)
    with pytest.raises(MlubenchError, match=r"x.sqlite cannot be used"):
        ReplyCache(path)
