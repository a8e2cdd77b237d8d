"""Files are whole or absent: full disks, exceptions and changed bytes."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlubench.core import files
from mlubench.core.errors import MlubenchError
from mlubench.core.files import (
    MANIFEST,
    clear_abandoned_files,
    digest,
    file_sha256,
    is_whole,
    read_manifest,
    whole_dir,
    write_atomic,
)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes meanwhile: the system itself cuts a write short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill(folder: Path, files: dict[str, str], **facts: object) -> None:
    with whole_dir(folder, facts) as out:
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text)


@pytest.mark.parametrize("old", [None, b"old"])
def test_write_atomic_under_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None
) -> None:
    path = tmp_path / "file"
    if old:
        path.write_bytes(old)
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(path, b"new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert everything(tmp_path) == ({"file": old} if old else {})


def test_write_atomic_when_only_half_of_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with largest_file(1000), pytest.raises(OSError, match="too large") as caught:
        write_atomic(path, b"x" * 100_000)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert everything(tmp_path) == {"file": b"old"}


def test_write_atomic_replaces_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    for text in ("first", "Pokémon"):
        write_atomic(path, text)
    assert everything(tmp_path) == {"a/b/file": "Pokémon".encode()}


def test_write_atomic_syncs_before_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut could leave the new name on bytes that never reached the disk."""
    path, seen, real = tmp_path / "file", [], os.fsync
    write_atomic(path, b"old")

    def watch(handle: int) -> None:
        seen.append(path.read_bytes())
        real(handle)

    monkeypatch.setattr(os, "fsync", watch)
    write_atomic(path, b"new")
    assert seen == [b"old", b"new"]  # the file while it is still aside, then the folder


def test_whole_dir_lists_every_file_with_its_hash(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    fill(folder, {"a": "1", "deep/b": "2"}, seed=3)
    manifest = read_manifest(folder)
    assert manifest == {
        "seed": 3,
        "files": {"a": file_sha256(folder / "a"), "deep/b": file_sha256(folder / "deep/b")},
    }
    assert sorted(everything(tmp_path)) == ["made/a", "made/deep/b", f"made/{MANIFEST}"]


def test_whole_dir_asks_callable_facts_at_the_end(tmp_path: Path) -> None:
    facts = {"n": 0}
    with whole_dir(tmp_path / "made", lambda: facts):
        facts["n"] = 7
    assert read_manifest(tmp_path / "made")["n"] == 7


def test_whole_dir_writes_the_manifest_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = []
    real = files.write_json

    def watch(path: Path, value: object) -> None:
        present.append((path.name, sorted(everything(path.parent)), is_whole(tmp_path / "made")))
        real(path, value)

    monkeypatch.setattr(files, "write_json", watch)
    fill(tmp_path / "made", {"a": "1", "b": "2"})
    assert present == [(MANIFEST, ["a", "b"], False)]
    assert is_whole(tmp_path / "made")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_whole_dir_leaves_nothing_on_an_exception(
    tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), whole_dir(tmp_path / "made", {}) as out:
        (out / "a").write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_whole_dir_keeps_what_was_there_on_an_exception(tmp_path: Path) -> None:
    fill(tmp_path / "made", {"a": "old"})
    before = everything(tmp_path)
    with pytest.raises(RuntimeError), whole_dir(tmp_path / "made", {}) as out:
        (out / "a").write_text("new")
        raise RuntimeError
    assert everything(tmp_path) == before


def test_whole_dir_keeps_what_was_there_when_the_manifest_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "made", {"a": "old"})
    before = everything(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", no_space)
        fill(tmp_path / "made", {"a": "new"})
    assert everything(tmp_path) == before


def test_whole_dir_replaces_all_of_what_was_there(tmp_path: Path) -> None:
    fill(tmp_path / "made", {"a": "old", "gone": "old"})
    fill(tmp_path / "made", {"a": "new"})
    assert sorted(everything(tmp_path / "made")) == ["a", MANIFEST]
    assert (tmp_path / "made" / "a").read_text() == "new"


def test_read_manifest_finds_a_changed_byte(tmp_path: Path) -> None:
    fill(tmp_path / "made", {"a": "1234", "b": "1234"})
    (tmp_path / "made" / "b").write_text("1235")
    with pytest.raises(MlubenchError, match=r"b is missing or changed.*Delete .*made"):
        read_manifest(tmp_path / "made")


def test_read_manifest_finds_a_missing_file(tmp_path: Path) -> None:
    fill(tmp_path / "made", {"a": "1", "b": "2"})
    (tmp_path / "made" / "a").unlink()
    with pytest.raises(MlubenchError, match="a is missing or changed"):
        read_manifest(tmp_path / "made")


def test_digest_is_of_the_value_not_of_its_spelling() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(v) for v in ({"a": 1}, {"a": 2}, {"a": "1"}, [1, 2], [2, 1])}) == 5
    assert len(digest("x", 8)) == 8


def test_half_written_files_of_dead_processes_are_removed_and_of_living_ones_kept(
    tmp_path: Path,
) -> None:
    dead, mine, other = (f".a.json.{pid}.tmp" for pid in (2**22 + 1, os.getpid(), os.getppid()))
    for name in (dead, mine, other, "a.json", ".hidden", ".odd.tmp"):
        (tmp_path / name).touch()
    clear_abandoned_files(tmp_path)
    assert {f.name for f in tmp_path.iterdir()} == {other, "a.json", ".hidden", ".odd.tmp"}
