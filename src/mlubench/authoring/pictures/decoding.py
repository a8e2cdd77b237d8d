"""Hands strangers' pictures to a limited process, and outlives whatever they do to it."""

import json
import os
import select
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from mlubench.authoring.pictures import worker
from mlubench.authoring.pictures.worker import PictureReport, WorkerLimits
from mlubench.authoring.spec import PicturesSpec
from mlubench.core.errors import MlubenchError

_BASE_MEMORY = 512 * 2**20  # bytes: Python, Pillow and room to work
_BYTES_A_PIXEL = 16  # decoded, turned upright, made RGB and scaled: four copies of up to four bytes
_CHUNK = 2**16
_START_SECONDS = 120
# Beyond the worker's own limit, which is of CPU time: a worker that waits uses none.
_GRACE_SECONDS = 5


class UnreadableFileError(Exception):
    """A file is not read, and why, for people to read."""


def read_plain_file(path: Path, limit: int) -> bytes:
    """The bytes of a regular file.

    Raises UnreadableFileError for a link, a pipe, a device, and for more than `limit` bytes.
    """
    # No link is followed, which could lead anywhere, and no pipe waited for.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
    except OSError as error:
        why = "is a link" if path.is_symlink() else f"cannot be opened: {error.strerror}"
        raise UnreadableFileError(why) from None
    try:
        # Of what was opened, not of the path: that may have become another file meanwhile.
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadableFileError("is no plain file")
        if facts.st_size > limit:
            raise UnreadableFileError(f"has {facts.st_size} bytes, more than {limit}")
        with open(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UnreadableFileError(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(handle)
    if len(data) > limit:  # it grew while it was read
        raise UnreadableFileError(f"has more than {limit} bytes")
    return data


class Decoder:
    """One limited worker at a time; a new one where the last did not live."""

    def __init__(self, settings: PicturesSpec) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()

    def decode(self, data: bytes) -> tuple[PictureReport, bytes]:
        """The picture's report and its JPEG, which is empty for no picture within the limits.

        Raises MlubenchError where the worker cannot be started at all.
        """
        seconds = self._settings.seconds
        process = self._process or self._start()
        pipe = _Pipe(process, time.monotonic() + seconds + _GRACE_SECONDS)
        try:
            pipe.write(b"%d\n" % len(data) + data)
            report: PictureReport = json.loads(pipe.read_block())
            return report, pipe.read_block()
        except (_StoppedError, OSError, ValueError):
            self._end()
            why = f"cannot be decoded: it took more than {seconds:g} s or too much memory"
            return {"why": why}, b""

    def _start(self) -> subprocess.Popen[bytes]:
        settings = self._settings
        pixels = settings.max_pixels * _BYTES_A_PIXEL
        limits: WorkerLimits = {
            "max_pixels": settings.max_pixels,
            "max_side": settings.max_side,
            "seconds": settings.seconds,
            # Three copies of the file itself: as it came, in Pillow's hands, and as a JPEG.
            "memory": _BASE_MEMORY + pixels + 3 * settings.max_bytes,
        }
        # -P: what lies beside the script cannot be imported in the place of a library.
        command = [sys.executable, "-P", worker.__file__, json.dumps(limits)]
        # Nothing of the environment but where Pillow lies: the worker needs none, and none of it
        # can be told on.
        path = os.pathsep.join(p for p in sys.path if Path(p).is_absolute())
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": path},
            bufsize=0,
        )
        self._process = process
        try:
            _Pipe(process, time.monotonic() + _START_SECONDS).read_block()
        except (_StoppedError, OSError, ValueError):
            self._end()
            hint = "Is there memory for it, and can this Python import PIL and resource?"
            raise MlubenchError("the process that decodes pictures does not start", hint) from None
        return process

    def _end(self) -> None:
        process = self._process
        self._process = None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


class _StoppedError(Exception):
    """The worker ended or took too long."""


class _Pipe:
    """Both directions of a worker until a deadline: it may stop reading as well as writing."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        assert process.stdin and process.stdout
        self._to_worker = process.stdin.fileno()
        self._from_worker = process.stdout.fileno()
        self._deadline = deadline  # by time.monotonic
        self._buffer = b""
        os.set_blocking(self._to_worker, False)

    def write(self, data: bytes) -> None:
        remaining = memoryview(data)
        while remaining:
            self._wait([], [self._to_worker])
            written = os.write(self._to_worker, remaining[:_CHUNK])
            remaining = remaining[written:]

    def read_block(self) -> bytes:
        """The next block of the worker's: a line with its size, and its bytes."""
        while b"\n" not in self._buffer:
            self._buffer += self._read_chunk()
        head, _, rest = self._buffer.partition(b"\n")
        size = int(head)
        # Joined once at the end: a picture comes in hundreds of chunks.
        chunks = [rest]
        have = len(rest)
        while have < size:
            chunk = self._read_chunk()
            chunks.append(chunk)
            have += len(chunk)
        data = b"".join(chunks)
        self._buffer = data[size:]
        return data[:size]

    def _read_chunk(self) -> bytes:
        self._wait([self._from_worker], [])
        data = os.read(self._from_worker, _CHUNK)
        if not data:
            raise _StoppedError
        return data

    def _wait(self, readable: list[int], writable: list[int]) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0 or not any(select.select(readable, writable, [], remaining)):
            raise _StoppedError
