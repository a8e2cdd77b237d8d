"""One process at a time: a lock is a file, and the system frees it however its holder ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mlubench.core.errors import MlubenchError


@contextmanager
def locked(path: Path, *, if_held: MlubenchError | None = None) -> Iterator[None]:
    """Hold the lock file `path`, whose folder must exist.

    Waits while another process holds it. With `if_held`, it does not wait but raises that error.
    """
    wait_seconds = -1 if if_held is None else 0  # filelock: -1 waits for ever
    lock = FileLock(path, timeout=wait_seconds)
    try:
        lock.acquire()
    except Timeout:
        assert if_held is not None
        raise if_held from None
    # Outside the `try`: a Timeout that the caller's own work raises is not ours.
    try:
        yield
    finally:
        lock.release()
