"""Files that are whole or absent: atomic writes, hashes, and directories whose manifest is written last.

What is being written has a hidden temporary name, `.NAME.PID.tmp`. The process id in it says later whether a temporary file
or directory is somebody's work or was left behind by a process that was killed.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from typing_extensions import TypedDict

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.reading import read_json_as_it_stands

MANIFEST = "manifest.json"


def canonical(value: object) -> bytes:
    """One spelling for equal values, so that equal settings have equal hashes."""
    # Worlds, bases and replies are kept under hashes of this text: a change here would lose them all.
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.encode()


def digest(value: object, length: int = 16) -> str:
    """Short SHA-256 of a JSON-like value, as lower-case hex of `length` digits."""
    return hashlib.sha256(canonical(value)).hexdigest()[:length]


def file_sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError of what is written in here names the file: the system's own says it only of files that are opened."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def disk_errors(path: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Raise MlubenchError, which names the folder, where a library reports a failed write by an error of these kinds."""
    try:
        yield
    except kinds as error:
        raise MlubenchError(
            f"{path} cannot be written: {error}", "Free space; the same command goes on."
        ) from error


# A full disk, a used-up quota, a file system that is read-only, a limit on the size of files.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
# As libraries that write by themselves report it.
_NO_ROOM_WORDS = ("No space left", "Disk quota exceeded", "Read-only file system")


def is_for_want_of_room(error: BaseException) -> bool:
    """Whether something failed since nothing more can be written, however deep that stands among its causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
            return True
        if any(words in str(cause) for words in _NO_ROOM_WORDS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _sync_dir(path: Path) -> None:
    """Have the system write the directory itself: without it, a power cut may undo a rename."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` in one step at the end.

    After a kill, a full disk or an exception `path` holds the old bytes or the new, never a mixture.
    """
    temporary = _temporary(path)
    try:
        with naming(path), temporary.open("wb") as handle:
            yield handle
            handle.flush()
            # On the disk before the rename: otherwise the name could come to stand for an empty file.
            os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException:  # also Ctrl-C
        temporary.unlink(missing_ok=True)
        raise
    _sync_dir(path.parent)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Replace what `path` holds, as `replacing` does. Its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as handle:
        handle.write(data.encode() if isinstance(data, str) else data)


def _temporary(path: Path) -> Path:
    """The name under which this process writes what will be `path`. It lies in the same folder, as renaming asks for."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def write_json(path: Path, value: object) -> None:
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def is_whole(path: Path) -> bool:
    """A directory is whole when its manifest is there, since that is written last."""
    return (path / MANIFEST).is_file()


@contextmanager
def whole_dir(
    path: Path, facts: Mapping[str, object] | Callable[[], Mapping[str, object]]
) -> Iterator[Path]:
    """Fill a directory that appears at `path` all at once, with the hash of every file in its manifest.

    Yields a temporary directory beside `path`. On any exception nothing is left and what was at `path` stays.
    `facts` go into the manifest. A callable is called at the end, when all files are there.
    """
    with appearing_dir(path) as temporary:
        yield temporary
        hashes = {}
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                hashes[str(file.relative_to(temporary))] = file_sha256(file)
        manifest = facts() if callable(facts) else facts
        # Last: its presence says that all the rest is there.
        write_json(temporary / MANIFEST, {**manifest, "files": hashes})


def require_empty(path: Path) -> None:
    """Raises UsageError where something would be overwritten: the folder must be absent or empty."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is not empty", "Name a folder that is not there yet.")


class NotMadeError(MlubenchError):
    """Something that would be made is not there, and was not to be made now."""


def require_made(folder: Path) -> None:
    """Raises NotMadeError where the folder is not whole."""
    if not is_whole(folder):
        raise NotMadeError(f"{folder} is not made yet")


@contextmanager
def appearing_dir(path: Path) -> Iterator[Path]:
    """As `whole_dir`, but no manifest is written: the caller puts one in, as where an archive is unpacked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    _clear_abandoned(path)
    temporary.mkdir()
    try:
        yield temporary
        # A directory that is not empty cannot be replaced in one step. A kill between these two leaves nothing at `path`,
        # which is then made again.
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_dir(path.parent)


def _clear_abandoned(path: Path) -> None:
    """Remove what killed processes left of their attempts at `path`."""
    for temporary in path.parent.glob(f".{path.name}.*.tmp"):
        if _is_abandoned(temporary):
            shutil.rmtree(temporary, ignore_errors=True)


def clear_abandoned_files(folder: Path) -> None:
    """Remove the files in `folder` that killed processes left half written."""
    for temporary in folder.glob(".*.tmp"):
        # A file without a process id in its name is somebody else's.
        if temporary.is_file() and _owner(temporary).isdigit() and _is_abandoned(temporary):
            temporary.unlink(missing_ok=True)


def _owner(temporary: Path) -> str:
    """The process id in `.NAME.PID.tmp`."""
    return temporary.name.split(".")[-2]


def _is_abandoned(temporary: Path) -> bool:
    """Whether no process is at work on it any more."""
    owner = _owner(temporary)
    if owner == str(os.getpid()):
        # This process has not begun to write here, so an earlier one had the same id.
        return True
    if not owner.isdigit():
        return True
    return not _is_running(int(owner))


def _is_running(pid: int) -> bool:
    try:
        # Signal 0 does nothing; the system only checks whether it could be sent.
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It runs, as another user's.
        return True
    return True


class _Manifest(TypedDict):
    """What every manifest says, whatever else is in it."""

    files: dict[str, str]  # name -> SHA-256


def read_manifest(path: Path) -> Mapping[str, object]:
    """The manifest, after checking every file against it. Raises MlubenchError naming the first that differs."""
    manifest = read_json_as_it_stands(path / MANIFEST, _Manifest)
    for name, expected in manifest["files"].items():
        if not (path / name).is_file() or file_sha256(path / name) != expected:
            raise MlubenchError(
                f"{path / name} is missing or changed", f"Delete {path} and run again."
            )
    return manifest
