"""What a command writes to: readable in any locale, and a reader that goes away ends no work.

Only the program itself calls this. Who calls `main` from Python keeps the streams as they are.
"""

import codecs
import errno
import io
import locale
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Whoever names one of these in PYTHONIOENCODING has said what to do with a letter that the terminal cannot show.
_LENIENT = {"replace", "ignore", "xmlcharrefreplace", "namereplace"}
# How Python shows a byte of an argument that is no UTF-8.
_STRAY = re.compile("[\udc80-\udcff]")
# The pipe's reader has ended, or the terminal is gone.
_NOBODY_READS = {errno.EPIPE, errno.EIO}


def restart_in_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale is of another encoding.

    Names of entities are names of files too. In such a locale Python could neither open them nor read them as arguments.
    """
    is_utf8 = codecs.lookup(sys.getfilesystemencoding()).name == "utf-8"
    if is_utf8 or sys.flags.utf8_mode or not sys.executable:
        return
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def guard_streams() -> None:
    """Let standard output and error take every letter, and drop what nobody reads."""
    sys.stdout = _guarded(sys.stdout, "standard output")
    sys.stderr = _guarded(sys.stderr, "standard error")


def stray_bytes(words: Sequence[str]) -> str | None:
    """The first argument that is no text, with its stray bytes as `\\xff`; None where all are."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = _STRAY.sub(lambda stray: f"\\x{ord(stray[0]) - 0xDC00:02x}", word)
            return shown.encode(errors="backslashreplace").decode()
    return None


class _Outlet(io.RawIOBase):
    """A file descriptor. Once nobody reads it, all that is written there goes nowhere, without an error."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._name = name

    def write(self, data: "Buffer") -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            # Of the descriptor itself, so that libraries and other processes write nowhere too.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._descriptor)
            os.close(nowhere)
            if error.errno in _NOBODY_READS or self._descriptor == 2:
                return memoryview(data).nbytes
            # A full disk: what was asked for is lost, and the system does not say of which file.
            raise OSError(error.errno, error.strerror, self._name) from None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def _guarded(stream: TextIO | None, name: str) -> TextIO:
    if stream is None:
        # It was closed by whoever started us.
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open to the end
    errors = stream.errors if stream.errors in _LENIENT else "backslashreplace"
    outlet = io.BufferedWriter(_Outlet(stream.fileno(), name))
    is_error = stream.fileno() == 2
    return io.TextIOWrapper(
        outlet,
        encoding=_encoding(stream),
        errors=errors,
        line_buffering=is_error or stream.isatty(),
    )


def _encoding(stream: TextIO) -> str:
    """The stream's own, but that of the locale where `restart_in_utf8` has changed it. ASCII is no terminal's own."""
    if not sys.flags.utf8_mode or "PYTHONIOENCODING" in os.environ:
        return stream.encoding
    of_locale = codecs.lookup(locale.getencoding()).name
    return stream.encoding if of_locale == "ascii" else of_locale
