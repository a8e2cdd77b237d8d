"""No spelling of a private address gets past, and names are asked for once."""

import socket

import pytest

from mlubench.authoring.pictures.addresses import RefusedError, parse_address, private_kind, resolve

PRIVATE = [
    "127.0.0.1",
    "127.255.0.3",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:c0a8:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "2001:0:7f00:1::1",
    "not-an-address",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert private_kind(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_public(address: str) -> None:
    assert private_kind(address) is None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "::1",
        "0",
        "::ffff:127.0.0.1",
    ],
)
def test_odd_spellings_of_loopback_are_refused(host: str) -> None:
    with pytest.raises(RefusedError, match=r"leads to|cannot be found"):
        resolve(host, 80, allow_private=False)


def test_one_private_answer_among_many_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(2, 1, 6, "", ("8.8.8.8", port)), (2, 1, 6, "", ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(RefusedError, match=r"10\.0\.0\.1, which is private"):
        resolve("two.example", 80, allow_private=False)
    assert resolve("two.example", 80, allow_private=True) == "8.8.8.8"
    assert asked == ["two.example"] * 2


@pytest.mark.parametrize(
    "url",
    [
        "file:///dev/null",
        "ftp://a.example/x",
        "data:image/png;base64,AA",
        "//a.example/x",
        "a.jpg",
        "",
        "http://",
        "http://user:word@a.example/",
        "http://a.example:99999/",
        "http://a b.example/",
        "http://[::1/",
        "http://\u2025.example/",
        "gopher://a.example/",
        "http:///x",
        "http://a\\b.example/",
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        parse_address(url)


def test_paths_and_names_may_be_of_any_script() -> None:
    address = parse_address("https://bücher.example/a b/é?q=月#x")
    assert (address.host, address.port) == ("xn--bcher-kva.example", 443)
    assert (address.path, address.query) == ("/a%20b/%C3%A9", "q=%E6%9C%88")
