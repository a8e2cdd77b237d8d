"""Fetches a picture from the web: patiently, and within limits of address, time, size and redirects."""

import http.client
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

from mlubench.authoring.pictures.addresses import (
    NothingYetError,
    RefusedError,
    WebAddress,
    parse_address,
    resolve,
)
from mlubench.authoring.spec import PicturesSpec
from mlubench.core.version import __version__
from mlubench.endpoint.failures import retry_after
from mlubench.endpoint.limits import LONGEST_RETRY_AFTER, Limits

_REDIRECTS = (301, 302, 303, 307, 308)
# Statuses that may pass by themselves, besides those from 500 on, and those that a contact or a login may change.
_LATER = (408, 425, 429)
_REFUSED = (401, 403, 407)
# After so many fetches in a row without a reply, all their retries included, a server is not asked any more.
_DOWN = 5
_CHUNK = 2**16
# Seconds before a fetch is made again, doubled each time, where the server asks for no other wait.
_FIRST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class _Response:
    """What one request came to."""

    data: bytes = b""
    redirect: str | None = None  # the address to go on to


class Fetcher:
    """Fetches pictures one after another, patiently, and gives up a server that does not answer."""

    def __init__(self, settings: PicturesSpec) -> None:
        self._settings = settings
        self._limits = Limits(
            settings.seconds, settings.retries, parallel=1, first_wait=_FIRST_WAIT
        )
        # Host -> fetches in a row that came to nothing.
        self._failures: Counter[str] = Counter()

    def fetch(self, url: str) -> bytes:
        """The bytes that came; the decoder says whether they are a picture.

        A busy, broken or silent server is asked again, as late as it wishes. Raises NothingYetError where it stays so, and
        RefusedError for everything else that is no picture.
        """
        host = parse_address(url).host
        if self._failures[host] >= _DOWN:
            why = f"was not asked for: {host} gave no answer {_DOWN} times in a row"
            raise NothingYetError(why, again=False)
        attempt = 0
        while True:
            try:
                data = _fetch_once(url, self._settings)
            except NothingYetError as error:
                if not error.again or attempt == self._settings.retries:
                    self._failures[host] += error.again
                    raise
                time.sleep(self._limits.wait(attempt, error.after))
                attempt += 1
            except RefusedError:
                self._failures[host] = 0  # the server is there
                raise
            else:
                self._failures[host] = 0
                return data


def _fetch_once(url: str, limits: PicturesSpec) -> bytes:
    """One attempt.

    Proxies of the environment are not used: they would resolve names anew. `limits.seconds` are of
    the whole attempt, all redirects included, but not of the system's own look-up of a name.
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


def _headers(contact: str | None) -> dict[str, str]:
    named = contact or "set pictures.contact to say whose"
    return {
        "User-Agent": f"mlubench/{__version__} (benchmark builder; {named})",
        "Accept": "image/jpeg, image/png, image/webp, */*;q=0.5",
        "Accept-Encoding": "identity",  # what is not packed cannot swell
    }


def _request(url: str, limits: PicturesSpec, deadline: "_Deadline") -> _Response:
    """One request, without following a redirect."""
    address = parse_address(url)
    ip = resolve(address.host, address.port, allow_private=limits.allow_private)
    connection = _PinnedConnection(address, ip, deadline)
    too_slow = NothingYetError(f"took more than {limits.seconds:g} s")
    try:
        connection.request("GET", address.target, headers=_headers(limits.contact))
        with connection.getresponse() as response:
            if response.status in _REDIRECTS:
                return _Response(redirect=urljoin(url, response.headers.get("Location") or ""))
            data = _read_body(response, limits)
        if deadline.passed:  # a body without a length ends where the connection was shut
            raise too_slow
        return _Response(data)
    # OSError: also what TLS raises. ValueError: what http.client makes of odd headers.
    except (RefusedError, OSError, http.client.HTTPException, ValueError) as error:
        # Once the connection was shut, any error may come of it.
        if deadline.passed or isinstance(error, TimeoutError):
            raise too_slow from None
        if isinstance(error, RefusedError):
            raise
        raise _broken_connection(error) from None
    finally:
        connection.close()


def _broken_connection(error: Exception) -> RefusedError:
    text = " ".join(str(error).split())[:120]
    why = f"cannot be fetched: {type(error).__name__}: {text}"
    if isinstance(error, ssl.SSLCertVerificationError):
        # No second attempt mends a certificate, but its owner may.
        return NothingYetError(why, again=False)
    if isinstance(error, OSError | http.client.HTTPException):
        return NothingYetError(why)
    return RefusedError(why)


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
    # The type that the server names says nothing: it is often wrong, and the bytes say it themselves.
    if response.status != 200:
        raise _status_error(response, limits)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise RefusedError(f"comes packed as {encoding[:40]!r}, though it was asked for as it is")
    if response.length is not None and response.length > limits.max_bytes:
        raise RefusedError(f"has {response.length} bytes, more than {limits.max_bytes}")


def _status_error(response: http.client.HTTPResponse, limits: PicturesSpec) -> RefusedError:
    status = response.status
    why = f"was answered with status {status}"
    if status in _REFUSED:
        if limits.contact is None:
            why += "; the server may want a pictures.contact"
        return NothingYetError(why, again=False)
    if status not in _LATER and status < 500:
        return RefusedError(why)
    after = retry_after({name.lower(): value for name, value in response.headers.items()})
    if after is not None and after > LONGEST_RETRY_AFTER:
        return NothingYetError(f"{why}, to be asked again in {after:.0f} s", again=False)
    return NothingYetError(why, after=after)


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
