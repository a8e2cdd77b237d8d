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
from typing import Any, Self

from mlubench.authoring import picture_worker
from mlubench.authoring.spec import PicturesSpec
from mlubench.core.errors import MlubenchError

_BASE_MEMORY = 512 * 2**20
_BYTES_A_PIXEL = 16  # decoded, turned upright, made RGB and scaled: four copies of up to four bytes
_CHUNK = 2**16
_START_SECONDS = 120


def read_plain_file(path: Path, limit: int) -> bytes | str:
    """The bytes of a regular file, or what is wrong with it: a link, a pipe, a device, or more than `limit` bytes."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return "is a link" if path.is_symlink() else f"cannot be opened: {error.strerror}"
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            return "is no plain file"
        if facts.st_size > limit:
            return f"has {facts.st_size} bytes, more than {limit}"
        with open(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    finally:
        os.close(handle)
    return data if len(data) <= limit else f"has more than {limit} bytes"


class Decoder:
    """One limited worker at a time; a new one where the last did not live."""

    def __init__(self, limits: PicturesSpec) -> None:
        self._limits = limits
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

    def plain(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        """({width, height, phash}, JPEG), or ({why}, b"") for what is no picture within the limits.

        Raises MlubenchError where the worker cannot be started at all.
        """
        seconds = self._limits.seconds
        process = self._process or self._start()
        pipe = _Pipe(
            process, time.monotonic() + seconds + 5
        )  # the worker's own limit is of CPU time
        try:
            pipe.write(b"%d\n" % len(data) + data)
            report, jpeg = json.loads(pipe.block()), pipe.block()
        except (_StoppedError, OSError, ValueError):
            self._end()
            return {
                "why": f"cannot be decoded: it took more than {seconds:g} s or too much memory"
            }, b""
        return report, jpeg

    def _start(self) -> subprocess.Popen[bytes]:
        limits = self._limits
        memory = _BASE_MEMORY + limits.max_pixels * _BYTES_A_PIXEL + 3 * limits.max_bytes
        facts = {name: getattr(limits, name) for name in ("max_pixels", "max_side", "seconds")}
        words = [
            sys.executable,
            "-P",
            picture_worker.__file__,
            json.dumps({**facts, "memory": memory}),
        ]
        # Nothing of the environment but where Pillow lies: the worker needs none, and none of it can be told on.
        path = os.pathsep.join(p for p in sys.path if Path(p).is_absolute())
        process = self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": path},
            bufsize=0,
        )
        try:
            _Pipe(process, time.monotonic() + _START_SECONDS).block()
        except (_StoppedError, OSError, ValueError):
            self._end()
            hint = "Is there memory for it, and can this Python import PIL and resource?"
            raise MlubenchError("the process that decodes pictures does not start", hint) from None
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()


class _StoppedError(Exception):
    """The worker ended or took too long."""


class _Pipe:
    """Both directions of a worker until a deadline, since a worker may stop reading as well as writing."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        assert process.stdin and process.stdout
        self._to, self._from = process.stdin.fileno(), process.stdout.fileno()
        self._deadline = deadline
        self._buffer = b""
        os.set_blocking(self._to, False)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait([], [self._to])
            view = view[os.write(self._to, view[:_CHUNK]) :]

    def block(self) -> bytes:
        while b"\n" not in self._buffer:
            self._more()
        head, _, rest = self._buffer.partition(b"\n")
        parts, size, have = [rest], int(head), len(rest)
        while have < size:
            self._buffer = b""
            self._more()
            parts.append(self._buffer)
            have += len(self._buffer)
        whole = b"".join(parts)
        self._buffer = whole[size:]
        return whole[:size]

    def _more(self) -> None:
        self._wait([self._from], [])
        if not (data := os.read(self._from, _CHUNK)):
            raise _StoppedError
        self._buffer += data

    def _wait(self, reading: list[int], writing: list[int]) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0 or not any(select.select(reading, writing, [], left)):
            raise _StoppedError
