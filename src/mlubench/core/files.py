"""Files that are whole or absent: atomic writes, hashes, and directories whose manifest is written last."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mlubench.core.errors import MlubenchError, UsageError

MANIFEST = "manifest.json"


def canonical(value: object) -> bytes:
    """One spelling for equal values, so that equal settings have equal hashes."""
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str
    ).encode()


def digest(value: object, length: int = 16) -> str:
    """Short SHA-256 of a JSON-like value, as lower-case hex of `length` digits."""
    return hashlib.sha256(canonical(value)).hexdigest()[:length]


def file_sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def disk_errors(path: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Name the folder and the way out where a library reports a failed write by an error of its own."""
    try:
        yield
    except kinds as error:
        raise MlubenchError(
            f"{path} cannot be written: {error}", "Free space; the same command goes on."
        ) from error


def _sync_dir(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Replace `path` in one step; after a kill or a full disk it holds the old bytes or the new, never a mixture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(data.encode() if isinstance(data, str) else data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_dir(path.parent)


def write_json(path: Path, value: object) -> None:
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Parsed JSON of one of our own files. Raises MlubenchError with the file's name when it is absent or broken."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise MlubenchError(
            f"{path} does not exist", "Check the folder, or make it with `mlubench run`."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise MlubenchError(
            f"{path} cannot be read: {error}", "Delete it and run again to make it anew."
        ) from error


def read_yaml(path: Path, instead: str) -> dict[str, Any]:
    """The settings in a YAML file. Raises UsageError where it is absent (`instead` is the hint) or holds something else."""
    if not path.is_file():
        raise UsageError(f"{path} does not exist", instead)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", "Save it as UTF-8.") from None
    except yaml.YAMLError as error:
        raise UsageError(
            f"{path} is not YAML: {' '.join(str(error).split())}", "Mend the file."
        ) from None
    if not isinstance(values, dict):
        raise UsageError(
            f"{path} holds a {type(values).__name__}, not settings", "Write `key: value` lines."
        )
    return values


def is_whole(path: Path) -> bool:
    """A directory is whole when its manifest is there, since that is written last."""
    return (path / MANIFEST).is_file()


@contextmanager
def whole_dir(
    path: Path, facts: Mapping[str, object] | Callable[[], Mapping[str, object]]
) -> Iterator[Path]:
    """Fill a directory that appears at `path` all at once, with the hash of every file in its manifest.

    Yields a temporary directory beside `path`. On any exception nothing is left and what was at `path` stays.
    `facts` go into the manifest; a callable is asked at the end.
    """
    with appearing_dir(path) as temporary:
        yield temporary
        files = {}
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                files[str(file.relative_to(temporary))] = file_sha256(file)
        known = facts() if callable(facts) else facts
        # Last: its presence says that all the rest is there.
        write_json(temporary / MANIFEST, {**known, "files": files})


@contextmanager
def appearing_dir(path: Path) -> Iterator[Path]:
    """The same for files that bring their manifest with them: what fills the directory answers for its being whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _clear_abandoned(path)
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_dir(path.parent)


def _clear_abandoned(path: Path) -> None:
    """Remove what killed processes left of their attempts at `path`."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        if _abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def clear_abandoned_files(folder: Path) -> None:
    """Remove what processes that were killed while they wrote files in `folder` left half written."""
    for left in folder.glob(".*.tmp"):
        if left.is_file() and left.name.split(".")[-2].isdigit() and _abandoned(left):
            left.unlink(missing_ok=True)


def _abandoned(left: Path) -> bool:
    owner = left.name.split(".")[-2]
    return owner == str(os.getpid()) or not (owner.isdigit() and _alive(int(owner)))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest, after checking every file against it. Raises MlubenchError naming the first that differs."""
    manifest = read_json(path / MANIFEST)
    for name, expected in manifest["files"].items():
        if not (path / name).is_file() or file_sha256(path / name) != expected:
            raise MlubenchError(
                f"{path / name} is missing or changed", f"Delete {path} and run again."
            )
    return dict(manifest)
