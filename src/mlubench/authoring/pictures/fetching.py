"""Fetches a picture from the web within limits of address, time, size, kind and redirects."""

import http.client
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

from mlubench.authoring.pictures.addresses import (
    RefusedError,
    WebAddress,
    parse_address,
    resolve,
)
from mlubench.authoring.spec import PicturesSpec
from mlubench.core.version import __version__

TYPES = ("image/jpeg", "image/png", "image/webp")
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 2**16
_HEADERS = {
    "User-Agent": f"mlubench/{__version__} (benchmark builder)",
    "Accept": ", ".join(TYPES),
    "Accept-Encoding": "identity",  # what is not packed cannot swell
}


@dataclass(frozen=True, slots=True)
class _Response:
    """What one request came to."""

    data: bytes = b""
    redirect: str | None = None  # the address to go on to


def fetch(url: str, limits: PicturesSpec) -> bytes:
    """The picture's bytes. Raises RefusedError, which says why, for everything else.

    Proxies of the environment are not used: they would resolve names anew. `limits.seconds` are of
    the whole fetch, all redirects included, but not of the system's own look-up of a name.
    """
    was_secure = False
    with _Deadline(limits.seconds) as deadline:
        for _ in range(limits.max_redirects + 1):
            if was_secure and url.lower().startswith("http:"):
                raise RefusedError("is redirected from https to http")
            was_secure = url.lower().startswith("https:")
            response = _request(url, limits, deadline)
            if response.redirect is None:
                return response.data
            url = response.redirect
    raise RefusedError(f"is redirected more than {limits.max_redirects} times")


def _request(url: str, limits: PicturesSpec, deadline: "_Deadline") -> _Response:
    """One request, without following a redirect."""
    address = parse_address(url)
    ip = resolve(address.host, address.port, allow_private=limits.allow_private)
    connection = _PinnedConnection(address, ip, deadline)
    too_slow = f"took more than {limits.seconds:g} s"
    try:
        connection.request("GET", address.target, headers=_HEADERS)
        with connection.getresponse() as response:
            if response.status in _REDIRECTS:
                return _Response(redirect=urljoin(url, response.headers.get("Location") or ""))
            data = _read_body(response, limits)
        if deadline.passed:  # a body without a length ends where the connection was shut
            raise RefusedError(too_slow)
        return _Response(data)
    # OSError: also what TLS raises. ValueError: what http.client makes of odd headers.
    except (RefusedError, OSError, http.client.HTTPException, ValueError) as error:
        # Once the connection was shut, any error may come of it.
        if deadline.passed or isinstance(error, TimeoutError):
            raise RefusedError(too_slow) from None
        if isinstance(error, RefusedError):
            raise
        text = " ".join(str(error).split())[:120]
        raise RefusedError(f"cannot be fetched: {type(error).__name__}: {text}") from None
    finally:
        connection.close()


def _read_body(response: http.client.HTTPResponse, limits: PicturesSpec) -> bytes:
    _check_head(response, limits)
    chunks = []
    size = 0
    while chunk := response.read(_CHUNK):
        size += len(chunk)
        # Counted too: a server may send more than it said, or not say how much.
        if size > limits.max_bytes:
            raise RefusedError(f"has more than {limits.max_bytes} bytes")
        chunks.append(chunk)
    if response.length:  # bytes that were announced and did not come
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(chunks)


def _check_head(response: http.client.HTTPResponse, limits: PicturesSpec) -> None:
    if response.status != 200:
        raise RefusedError(f"was answered with status {response.status}")
    kind = response.headers.get_content_type()
    if kind not in TYPES:
        raise RefusedError(f"is of type {kind[:60]!r}, not {', '.join(TYPES)}")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise RefusedError(f"comes packed as {encoding[:40]!r}, though it was asked for as it is")
    if response.length is not None and response.length > limits.max_bytes:
        raise RefusedError(f"has {response.length} bytes, more than {limits.max_bytes}")


class _Deadline:
    """Shuts the connection under way when the time is up.

    A time-out of single reads would let a slow server go on.
    """

    def __init__(self, seconds: float) -> None:
        self._end_at = time.monotonic() + seconds
        self.passed = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    @property
    def remaining(self) -> float:
        """Seconds; never 0, which would mean no time-out."""
        return max(0.01, self._end_at - time.monotonic())

    def watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
        # The time may have been up before there was a socket to shut.
        if self.passed:
            raise TimeoutError

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket is not None:
                # A socket that is closed or not connected yet needs no shutting.
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


class _PinnedConnection(http.client.HTTPConnection):
    """Connects to one IP address and to nothing else, while asking for the address's host.

    By TLS it makes sure of the host as well.
    """

    def __init__(self, address: WebAddress, ip: str, deadline: _Deadline) -> None:
        super().__init__(address.host, address.port, timeout=deadline.remaining)
        self._ip = ip
        self._scheme = address.scheme
        self._deadline = deadline
        # A port that is the scheme's own is left out of the Host header.
        self.default_port = 443 if address.scheme == "https" else 80

    def connect(self) -> None:
        plain = socket.create_connection((self._ip, self.port), self.timeout)
        self.sock = plain
        if self._scheme == "https":
            context = ssl.create_default_context()
            # The handshake comes after `watch`, so that the deadline holds for it too.
            self.sock = context.wrap_socket(
                plain, server_hostname=self.host, do_handshake_on_connect=False
            )
        self._deadline.watch(self.sock)
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()
