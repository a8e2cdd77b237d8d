"""Which network addresses a builder may fetch from: public ones alone, however they are written."""

import ipaddress
import re
import socket
from urllib.parse import SplitResult, quote, urlsplit

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Not public either: protocol assignments, 6to4 and Teredo, which may lead on to any IPv4 address, and site-local ones.
_MORE = tuple(
    ipaddress.ip_network(net) for net in ("192.0.0.0/24", "2002::/16", "2001::/32", "fec0::/10")
)
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?")
_PORTS = {"http": 80, "https": 443}

IP = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedError(Exception):
    """Nothing was or will be fetched, and why, for people to read."""


def parts_of(url: str) -> tuple[SplitResult, str, int]:
    """(parts with the path quoted, host, port) of a web address. Raises RefusedError for any other."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise RefusedError(f"is no web address: {error}") from None
    if parts.scheme not in _PORTS:
        raise RefusedError(f"has the scheme {parts.scheme!r}, not http or https")
    if "@" in parts.netloc:
        raise RefusedError("holds a user name or password")
    try:
        host = host if ":" in host else host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise RefusedError("names no host that can be asked")
    quoted = {
        part: quote(getattr(parts, part), safe="/%:@!$&'()*+,;=~?-._") for part in ("path", "query")
    }
    return (
        parts._replace(path=quoted["path"] or "/", query=quoted["query"], fragment=""),
        host,
        port or _PORTS[parts.scheme],
    )


def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The one IP address to connect to. Raises RefusedError where any that the name stands for is not public.

    A name is asked for once, and the connection goes to what was checked: a second answer could be another one.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RefusedError(f"cannot be found: {error}") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private:
        for address in addresses:
            if kind := private_kind(address):
                raise RefusedError(f"leads to {address}, which is {kind}")
    if not addresses:
        raise RefusedError("cannot be found")
    return addresses[0]


def private_kind(address: str) -> str | None:
    """What keeps an IP address from being public; of an IPv4 address in IPv6 clothes, that one's. None: nothing."""
    try:
        ip: IP = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "no IP address"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    for kind in ("loopback", "link_local", "multicast", "unspecified", "private", "reserved"):
        if getattr(ip, f"is_{kind}"):
            return kind.replace("_", "-")
    return None if ip.is_global and not any(ip in net for net in _MORE) else "not public"
