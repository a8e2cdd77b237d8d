"""A server may send anything, at any speed, and lead anywhere."""

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler as Handler
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlubench.authoring.pictures import fetching
from mlubench.authoring.pictures.addresses import NothingYetError, RefusedError
from mlubench.authoring.pictures.fetching import Fetcher
from mlubench.authoring.spec import PicturesSpec
from support.builds import Web, noise, web
from support.virtual_time import VirtualTime

PICTURE = noise(0)


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as site:
        yield site


def limits(**more: Any) -> PicturesSpec:
    return PicturesSpec.model_validate(
        {"kind": "render", "allow_private": True, "seconds": 5, "retries": 0, **more}
    )


def fetch(url: str, settings: PicturesSpec) -> bytes:
    return Fetcher(settings).fetch(url)


def refused(url: str, **more: Any) -> str:
    with pytest.raises(RefusedError) as error:
        fetch(url, limits(**more))
    return str(error.value)


def test_a_picture_comes_as_it_is(site: Web) -> None:
    assert fetch(site.page("/a.jpg", PICTURE), limits()) == PICTURE
    assert fetch(site.page("/b.jpg", PICTURE, Content_Length=""), limits()) == PICTURE


def test_private_addresses_are_refused_unless_allowed_and_not_even_asked(site: Web) -> None:
    url = site.page("/a.jpg", PICTURE)
    assert "leads to 127.0.0.1, which is loopback" in refused(url, allow_private=False)
    assert site.asked == []
    assert PicturesSpec().allow_private is False


def test_a_redirect_is_followed_so_often_and_checked_each_time(site: Web) -> None:
    site.page("/end.jpg", PICTURE)
    site.page("/2", b"", status=302, Location="/end.jpg")
    start = site.page("/1", b"", status=301, Location="2")
    assert fetch(start, limits(max_redirects=2)) == PICTURE
    assert "redirected more than 1 times" in refused(start, max_redirects=1)
    for number, (place, why) in enumerate(
        [("file:///dev/zero", "scheme 'file'"), ("http://user@127.0.0.1/", "user name")]
    ):
        assert why in refused(site.page(f"/x{number}", b"", status=307, Location=place))


def test_a_redirect_from_a_public_to_a_private_address_is_refused(
    site: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names are ours: `public.example` passes for public, though the connection goes to the server of this test."""
    port = int(site.address.rpartition(":")[2])
    site.page("/a", b"", status=302, Location=f"http://private.example:{port}/secret.jpg")
    site.page("/secret.jpg", PICTURE)
    real = socket.getaddrinfo
    connect = socket.create_connection

    def answer(host: str, port: int, *rest: Any, **more: Any) -> Any:
        made = {"public.example": "93.184.216.34", "private.example": "127.0.0.1"}
        return (
            [(2, 1, 6, "", (made[host], port))] if host in made else real(host, port, *rest, **more)
        )

    asked = []

    def to_us(address: tuple[str, int], *more: Any) -> socket.socket:
        asked.append(address[0])
        return connect(("127.0.0.1", address[1]), *more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(socket, "create_connection", to_us)
    assert "leads to 127.0.0.1" in refused(f"http://public.example:{port}/a", allow_private=False)
    assert asked == ["93.184.216.34"]  # what was checked is what was connected to
    assert site.asked == ["/a"]


def test_a_redirect_without_end_or_from_https_to_http_is_refused(site: Web) -> None:
    assert "redirected more than" in refused(site.page("/loop", b"", status=302, Location="/loop"))
    assert "redirected more than" in refused(site.page("/nowhere", b"", status=302))


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Content_Encoding": "gzip"}, "packed as 'gzip'"),
        ({"status": 404}, "status 404"),
        ({"status": 206}, "status 206"),
        ({"status": 500}, "status 500"),
        ({"Content_Length": "99999999999"}, "has 99999999999 bytes, more than 20000000"),
        ({"Content_Length": "99999"}, "IncompleteRead"),
    ],
)
def test_what_is_no_picture_is_refused(site: Web, headers: dict[str, Any], why: str) -> None:
    url = site.page("/a", b"<html>no such picture</html>", **headers)
    assert why in refused(url)


@pytest.mark.parametrize(
    "kind", ["image/jpg", "image/pjpeg", "IMAGE/JPEG", "image/*", "text/plain", "text/html", ""]
)
def test_the_bytes_decide_whatever_the_server_calls_them(site: Web, kind: str) -> None:
    assert fetch(site.page("/a", PICTURE, Content_Type=kind), limits()) == PICTURE


def failing_first(site: Web, path: str, *answers: Callable[[Handler], None]) -> str:
    """A page that answers so, one request after another, and then gives the picture."""
    site.page(path, PICTURE)
    picture = site.pages[path]
    waiting = list(answers)

    def answer(handler: Handler) -> None:
        give = waiting.pop(0) if waiting else picture
        give(handler)

    site.pages[path] = answer
    return site.address + path


def status(code: int, **headers: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def reset(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(PICTURE[:100])


def waited(url: str, **more: Any) -> float:
    """Seconds that were waited, of time that passes only so, until the picture came."""
    clock = VirtualTime()
    started = clock.now
    with clock.in_module(fetching):
        assert fetch(url, limits(retries=3, **more)) == PICTURE
    return clock.now - started


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_server_is_asked_again_when_it_wishes(site: Web, code: int) -> None:
    url = failing_first(site, "/a", status(code, Retry_After="40"))
    # What it asks for, and a little more.
    assert 40 <= waited(url) < 46
    assert site.asked == ["/a", "/a"]


def test_it_may_wish_so_by_a_date(site: Web) -> None:
    date = formatdate(time.time() + 60, usegmt=True)
    assert 57 < waited(failing_first(site, "/a", status(503, Retry_After=date))) < 68


@pytest.mark.parametrize(
    "answer", [reset, cut, status(429), status(500), status(502), status(504), status(408)]
)
def test_what_breaks_is_tried_again_ever_later(
    site: Web, answer: Callable[[Handler], None]
) -> None:
    url = failing_first(site, "/a", answer, answer, answer)
    # About 1, 2 and 4 seconds.
    assert 3.5 <= waited(url) <= 7
    assert len(site.asked) == 4


def test_a_silent_server_is_tried_again(site: Web) -> None:
    url = failing_first(site, "/a", lambda handler: site.stop.wait(2) and None)
    assert 0.5 <= waited(url, seconds=0.4) <= 1.5


@pytest.mark.parametrize(
    ("answer", "asked", "may_pass"),
    [
        (status(503), 4, True),
        (reset, 4, True),
        # Longer than anybody waits.
        (status(429, Retry_After="9999"), 1, True),
        (status(403), 1, True),
        (status(404), 1, False),
        (status(410), 1, False),
    ],
)
def test_what_does_not_come_says_whether_to_ask_another_day(
    site: Web, answer: Callable[[Handler], None], asked: int, may_pass: bool
) -> None:
    site.pages["/a"] = answer
    with VirtualTime().in_module(fetching), pytest.raises(RefusedError) as error:
        fetch(site.address + "/a", limits(retries=3))
    assert isinstance(error.value, NothingYetError) is may_pass
    assert len(site.asked) == asked


def test_a_server_that_is_down_is_given_up_and_others_are_not(site: Web) -> None:
    site.pages["/down"] = reset
    site.page("/up", PICTURE)
    fetcher = Fetcher(limits(retries=1))
    with VirtualTime().in_module(fetching):
        for _ in range(7):
            with pytest.raises(NothingYetError) as error:
                fetcher.fetch(site.address + "/down")
    assert len(site.asked) == 2 * 5
    assert "127.0.0.1 gave no answer 5 times in a row" in str(error.value)
    assert fetcher.fetch(site.address.replace("127.0.0.1", "localhost") + "/up") == PICTURE


def test_a_server_learns_who_asks(site: Web) -> None:
    told = []

    def picky(handler: Handler) -> None:
        agent = handler.headers["User-Agent"]
        told.append(agent)
        status(200 if "@" in agent else 403)(handler)

    site.pages["/a"] = picky
    assert "status 403; the server may want a pictures.contact" in refused(site.address + "/a")
    assert fetch(site.address + "/a", limits(contact="me@lab.example")) == b""
    assert "set pictures.contact" in told[0]
    assert told[1].endswith("(benchmark builder; me@lab.example)")
    with pytest.raises(ValidationError, match="contact"):
        limits(contact="me@lab.example\r\nX-Header: 1")


def test_a_name_that_is_not_known_today_may_be_tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with VirtualTime().in_module(fetching), pytest.raises(NothingYetError, match="cannot be found"):
        fetch("http://pictures.example/a.jpg", limits(retries=2))


def test_what_is_no_picture_comes_as_well_for_the_decoder_to_name(site: Web) -> None:
    page = b"<html>no such picture</html>"
    assert fetch(site.page("/a", page, Content_Type="image/jpeg"), limits()) == page
    # Read until the server ends.
    assert fetch(site.page("/b", page, Content_Length="-5"), limits()) == page


def test_a_body_without_end_stops_at_the_cap(site: Web) -> None:
    sent = []

    def pour(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "image/png")
        handler.end_headers()
        while not site.stop.is_set():
            handler.wfile.write(bytes(2**16))
            sent.append(2**16)

    site.pages["/flood"] = pour
    assert "has more than 100000 bytes" in refused(site.address + "/flood", max_bytes=100_000)
    assert sum(sent) < 50_000_000


@pytest.mark.parametrize("part", ["head", "body", "nothing"])
def test_a_server_that_dribbles_is_left_when_the_time_is_up(site: Web, part: str) -> None:
    def dribble(handler: Handler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.send_header("Content-Type", "image/png")
            handler.end_headers()
        elif part == "head":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not site.stop.wait(0.1):
            if part != "nothing":
                handler.wfile.write(b"x")
                handler.wfile.flush()

    site.pages["/slow"] = dribble
    assert "took more than 0.6 s" in refused(site.address + "/slow", seconds=0.6)


def test_what_speaks_no_http_is_refused(site: Web) -> None:
    site.pages["/odd"] = lambda handler: handler.wfile.write(b"SSH-2.0-what\r\n" * 5) and None
    assert "cannot be fetched" in refused(site.address + "/odd")
    assert "cannot be fetched" in refused(site.address.replace("http:", "https:") + "/tls")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "cannot be fetched" in refused(f"http://127.0.0.1:{free.getsockname()[1]}/")


@pytest.fixture
def secure(site: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The site behind TLS, with a certificate for pictures.example that this process trusts; its port."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    key = tmp_path / "key.pem"
    certificate = tmp_path / "certificate.pem"
    words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=pictures.example", "-addext", "subjectAltName=DNS:pictures.example"]
    subprocess.run(
        ["openssl", *words, *names, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    real = socket.getaddrinfo

    def answer(host: str, port: int, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host.endswith(".example") else host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return site.address.rpartition(":")[2]


def test_tls_makes_sure_of_the_name_though_the_address_is_pinned(site: Web, secure: str) -> None:
    site.page("/a.jpg", PICTURE)
    site.page("/down", b"", status=302, Location=f"http://pictures.example:{secure}/a.jpg")
    assert fetch(f"https://pictures.example:{secure}/a.jpg", limits()) == PICTURE
    assert "CERTIFICATE_VERIFY_FAILED" in refused(f"https://other.example:{secure}/a.jpg")
    assert "redirected from https to http" in refused(f"https://pictures.example:{secure}/down")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_says_nothing_is_left_when_the_time_is_up(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/"
        assert "took more than 0.5 s" in refused(address, seconds=0.5)
