"""Fetches one picture from the web within limits: of scheme, address, time, size, kind and redirects."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

from mlubench import __version__
from mlubench.authoring.addresses import RefusedError, parts_of, resolve
from mlubench.authoring.spec import PicturesSpec

TYPES = ("image/jpeg", "image/png", "image/webp")
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 2**16
_HEADERS = {
    "User-Agent": f"mlubench/{__version__} (benchmark builder)",
    "Accept": ", ".join(TYPES),
    "Accept-Encoding": "identity",  # what is not packed cannot swell
}


def fetch(url: str, limits: PicturesSpec) -> bytes:
    """The picture's bytes. Raises RefusedError, which says why, for everything else.

    Proxies of the environment are not used: they would resolve names anew. `limits.seconds` are of the whole fetch, all
    redirects included, but not of the system's own look-up of a name.
    """
    secure = False
    with _Deadline(limits.seconds) as deadline:
        for _ in range(limits.max_redirects + 1):
            if secure and url.lower().startswith("http:"):
                raise RefusedError("is redirected from https to http")
            secure = url.lower().startswith("https:")
            data, onward = _one(url, limits, deadline)
            if onward is None:
                return data
            url = onward
    raise RefusedError(f"is redirected more than {limits.max_redirects} times")


def _one(url: str, limits: PicturesSpec, deadline: "_Deadline") -> tuple[bytes, str | None]:
    """(bytes, None), or (b"", where it is redirected to)."""
    parts, host, port = parts_of(url)
    connection = _Pinned(
        host, port, resolve(host, port, allow_private=limits.allow_private), parts.scheme, deadline
    )
    try:
        connection.request(
            "GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=_HEADERS
        )
        with connection.getresponse() as response:
            if response.status in _REDIRECTS:
                return b"", urljoin(url, response.headers.get("Location") or "")
            data = _body(response, limits)
        if deadline.passed:  # a body without a length ends where the connection was shut
            raise TimeoutError
        return data, None
    except (
        RefusedError,
        OSError,
        http.client.HTTPException,
        ValueError,
    ) as error:  # SSL's errors are OSErrors
        if deadline.passed or isinstance(
            error, TimeoutError
        ):  # passed: whatever came of a connection that was shut
            raise RefusedError(f"took more than {limits.seconds:g} s") from None
        if isinstance(error, RefusedError):
            raise
        raise RefusedError(
            f"cannot be fetched: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
        ) from None
    finally:
        connection.close()


def _body(response: http.client.HTTPResponse, limits: PicturesSpec) -> bytes:
    if response.status != 200:
        raise RefusedError(f"was answered with status {response.status}")
    kind = response.headers.get_content_type()
    if kind not in TYPES:
        raise RefusedError(f"is of type {kind[:60]!r}, not {', '.join(TYPES)}")
    if (
        packed := response.headers.get("Content-Encoding", "identity").strip().lower()
    ) != "identity":
        raise RefusedError(f"comes packed as {packed[:40]!r}, though it was asked for as it is")
    if response.length is not None and response.length > limits.max_bytes:
        raise RefusedError(f"has {response.length} bytes, more than {limits.max_bytes}")
    parts, size = [], 0
    while chunk := response.read(_CHUNK):
        size += len(chunk)
        if size > limits.max_bytes:
            raise RefusedError(f"has more than {limits.max_bytes} bytes")
        parts.append(chunk)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)


class _Deadline:
    """Shuts the connection under way when the time is up: a time-out of single reads would let a slow server go on."""

    def __init__(self, seconds: float) -> None:
        self._end_at = time.monotonic() + seconds
        self.passed = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._timer.cancel()

    @property
    def left(self) -> float:
        return max(0.01, self._end_at - time.monotonic())

    def watch(self, one: socket.socket) -> None:
        with self._lock:
            self._socket = one
        if self.passed:
            raise TimeoutError

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket is not None:
                with _whatever_state():
                    self._socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def _whatever_state() -> Iterator[None]:
    """A socket that is closed or not connected yet needs no shutting."""
    try:
        yield
    except OSError:
        return


class _Pinned(http.client.HTTPConnection):
    """Connects to `address` and to nothing else, while asking for and, by TLS, making sure of `host`."""

    def __init__(
        self, host: str, port: int, address: str, scheme: str, deadline: _Deadline
    ) -> None:
        super().__init__(host, port, timeout=deadline.left)
        self._address, self._scheme, self._deadline = address, scheme, deadline
        self.default_port = 443 if scheme == "https" else 80

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = plain
        if self._scheme == "https":
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(
                plain, server_hostname=self.host, do_handshake_on_connect=False
            )
        self._deadline.watch(self.sock)
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()
