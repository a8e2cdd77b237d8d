"""Tests of the page on which a person checks: over real HTTP, and in a real browser by keyboard alone."""

import http.client
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mlubench.authoring.review.page import COOKIE, serve
from mlubench.authoring.review.session import ReviewSession
from mlubench.authoring.review.verdicts import LOG, read_log
from mlubench.core.errors import UsageError
from support.browser import browser_page
from support.small_build import small_items

pytest.importorskip("uvicorn", reason="the page needs the extra `build`")


def make_session(root: Path, *, entities: int = 2, pictures: int = 2) -> ReviewSession:
    items = small_items(root, entities=entities, pictures=pictures)
    return ReviewSession(root, items, "Ann", now=lambda: datetime(2026, 1, 2, tzinfo=UTC))


class Visit:
    """What a browser sends, by hand."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.host = parts.netloc
        self.token = parts.query.removeprefix("token=")

    def __call__(self, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        sent = {"Cookie": f"{COOKIE}={self.token}", "Content-Type": "application/json"} | headers
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        connection.request("GET" if data is None else "POST", path, data, sent)
        reply = connection.getresponse()
        return reply.status, reply.read()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> ReviewSession:
    return make_session(tmp_path_factory.mktemp("session"))


def started(session: ReviewSession) -> str:
    """The address of the page, served by a thread that ends with the tests."""
    told: list[str] = []
    there = threading.Event()

    def ready(address: str) -> None:
        told.append(address)
        there.set()

    threading.Thread(target=serve, args=(session,), kwargs={"ready": ready}, daemon=True).start()
    assert there.wait(20)
    return told[0]


@pytest.fixture(scope="module")
def address(session: ReviewSession) -> str:
    return started(session)


@pytest.fixture
def visit(address: str) -> Visit:
    return Visit(address)


def test_cards_and_pictures(session: ReviewSession, visit: Visit) -> None:
    status, body = visit("/cards")
    cards = json.loads(body)
    assert status == 200
    assert len(cards) == len(session.items) / 5
    assert len(cards[0]["texts"]) == 5
    assert visit("/picture/0") == (200, (session.root / session.cards[0][0].picture).read_bytes())
    assert visit("/picture/999")[0] == 404


def test_a_verdict_is_on_the_disk_before_it_is_confirmed(
    session: ReviewSession, visit: Visit
) -> None:
    status, body = visit("/say", {"card": 1, "verdict": "accepted"})
    assert status == 200
    assert json.loads(body)[0]["verdict"] == "accepted"
    log = read_log(session.root / LOG)
    assert {log[i.id].verdict for i in session.cards[1]} == {"accepted"}
    assert log[session.cards[1][0].id].who == "Ann"
    assert log[session.cards[1][0].id].when == "2026-01-02T00:00:00+00:00"


def test_an_edit_is_of_the_fact_on_all_its_pictures(session: ReviewSession, visit: Visit) -> None:
    status, body = visit("/say", {"card": 2, "verdict": "edited", "answer": "Näher betrachtet: 7."})
    changed = json.loads(body)
    assert status == 200
    assert len(changed) == 2
    assert {(c["entity"], c["question"]) for c in changed} == {
        (session.cards[2][0].entity, session.cards[2][0].question)
    }
    assert {c["answer"] for c in changed} == {"Näher betrachtet: 7."}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"card": 10_000, "verdict": "accepted"}, 404),
        ({"card": -1, "verdict": "accepted"}, 422),
        ({"card": 0, "verdict": "splendid"}, 422),
        ({"card": 0, "verdict": "edited", "answer": " "}, 422),
        ({"card": 0, "verdict": "accepted", "path": "elsewhere"}, 422),
        (b"{", 422),
        (b"x" * 100_000, 413),
    ],
)
def test_what_makes_no_sense_is_refused(visit: Visit, body: Any, status: int) -> None:
    assert visit("/say", body)[0] == status


def test_nobody_else_gets_in(visit: Visit) -> None:
    told = {"card": 0, "verdict": "accepted"}
    for path, body in (("/cards", None), ("/picture/0", None), ("/say", told), ("/", None)):
        assert visit(path, body, Cookie=f"{COOKIE}=guess")[0] == 403
    assert visit("/say", told, **{"Content-Type": "text/plain"})[0] == 415  # a form of another page
    assert (
        visit("/cards", Host="elsewhere.example")[0] == 400
    )  # a name that was pointed at this machine


def test_a_mended_file_cannot_show_what_lies_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_text("secret")
    session = make_session(tmp_path / "built", entities=1, pictures=1)
    session.items = [
        i.model_copy(update={"picture": "pictures/../../secret.jpg"}) for i in session.items
    ]
    session.__post_init__()
    assert (session.root / session.cards[0][0].picture).is_file()
    assert Visit(started(session))("/picture/0")[0] == 404


def test_a_taken_port_is_said(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        serve(make_session(tmp_path), port=urlsplit(address).port or 0, ready=lambda _: None)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[tuple[Any, ReviewSession]]:
    session = make_session(tmp_path)
    with browser_page() as page:
        page.goto(started(session))
        page.wait_for_selector("body[data-ready=yes]")
        yield page, session


def test_a_whole_review_by_keyboard(page: tuple[Any, ReviewSession]) -> None:
    from playwright.sync_api import expect

    browser, session = page
    keys = browser.keyboard
    expect(browser.locator("#texts li")).to_have_count(5)
    expect(browser.locator("#picture")).to_have_js_property("naturalWidth", 48)

    def press(key: str, verdict: str, looked_at: int) -> None:
        keys.press(key)
        # After the last card the page soon says that there is none left.
        saved = re.compile(f"^({verdict}: saved|All cards have been looked at.*)$")
        expect(browser.locator("#message")).to_have_text(saved)
        expect(browser.locator("#done")).to_have_text(
            f"{looked_at} of {len(session.cards)} looked at"
        )

    press("a", "accepted", 1)
    expect(browser.locator("#where")).to_have_text("card 2 of 8")
    press("r", "rejected", 2)
    keys.press("ArrowLeft")
    press("u", "pending", 1)
    expect(browser.locator("#verdict")).to_have_text("pending")
    keys.press("n")
    press("Shift+A", "accepted", 3)
    keys.press("e")
    browser.locator("#new").fill("Thrown away.")
    keys.press("Escape")
    expect(browser.locator("#edit")).to_be_hidden()
    keys.press("e")
    browser.locator("#new").fill("Changed by keyboard.")
    press("Control+Enter", "edited", 5)  # of both pictures
    for looked_at in range(6, 9):
        press("a", "accepted", looked_at)
    log = read_log(session.root / LOG)
    assert {i.id for i in session.items} == set(log)
    assert {row.answer for row in log.values()} == {"", "Changed by keyboard."}
    assert {row.verdict for row in log.values()} == {"accepted", "edited"}
