"""Which network addresses a builder may fetch from: public ones alone, however they are written."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

# IPv6 addresses that stand for an IPv4 address in their last 32 bits.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LAST_32_BITS = 0xFFFFFFFF
# Not public either, though Python's `is_global` may say so: protocol assignments, 6to4 and Teredo,
# which may lead on to any IPv4 address, and site-local ones.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(net) for net in ("192.0.0.0/24", "2002::/16", "2001::/32", "fec0::/10")
)
# A name or IPv4 address, or an IPv6 address with an optional zone.
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?")
_PORTS = {"http": 80, "https": 443}
# What may stand in a path or query as it is. `%` is among them: a quoted address stays quoted.
_UNQUOTED = "/%:@!$&'()*+,;=~?-._"

IP = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedError(Exception):
    """Nothing was or will be fetched, and why, for people to read."""


class NothingYetError(RefusedError):
    """Nothing was fetched for a reason that may pass: a later build asks again."""

    def __init__(self, why: str, *, again: bool = True, after: float | None = None) -> None:
        super().__init__(why)
        # Whether to try again within this build.
        self.again = again
        # Seconds that the server asks to wait.
        self.after = after


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A web address in the parts that a request needs."""

    scheme: str  # http or https
    host: str  # in ASCII
    port: int
    path: str  # quoted
    query: str  # quoted; empty if there is none

    @property
    def target(self) -> str:
        """What a request asks for."""
        return f"{self.path}?{self.query}" if self.query else self.path


def parse_address(url: str) -> WebAddress:
    """The parts of a web address. Raises RefusedError for anything else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError as error:
        raise RefusedError(f"is no web address: {error}") from None
    if parts.scheme not in _PORTS:
        raise RefusedError(f"has the scheme {parts.scheme!r}, not http or https")
    if "@" in parts.netloc:
        raise RefusedError("holds a user name or password")
    host = _ascii_host(host)
    if not _HOST.fullmatch(host):
        raise RefusedError("names no host that can be asked")
    return WebAddress(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        path=quote(parts.path, safe=_UNQUOTED) or "/",
        query=quote(parts.query, safe=_UNQUOTED),
    )


def _ascii_host(host: str) -> str:
    """The host as the name system takes it; empty for a name that it cannot hold."""
    if ":" in host:  # an IPv6 address
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The one IP address to connect to.

    Raises RefusedError where any address that the name stands for is not public, and
    NothingYetError where the name is not known just now. The name is asked
    for once, and the connection goes to what was checked: a second answer could be another one.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NothingYetError(f"cannot be found: {error}") from None
    except UnicodeError as error:
        raise RefusedError(f"cannot be found: {error}") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise RefusedError("cannot be found")
    if not allow_private:
        for address in addresses:
            kind = private_kind(address)
            if kind:
                raise RefusedError(f"leads to {address}, which is {kind}")
    return addresses[0]


def private_kind(address: str) -> str | None:
    """What keeps an IP address from being public. None: nothing.

    An IPv6 address that stands for an IPv4 address is judged by that one.
    """
    try:
        ip: IP = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "no IP address"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & _LAST_32_BITS)
    for kind in ("loopback", "link_local", "multicast", "unspecified", "private", "reserved"):
        if getattr(ip, f"is_{kind}"):
            return kind.replace("_", "-")
    if not ip.is_global or any(ip in net for net in _NOT_PUBLIC):
        return "not public"
    return None
