"""The queue in a browser: over plain HTTP for whoever may not see it, and in a real browser by keyboard alone."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from mlubench.requests.desk import Desk
from mlubench.requests.queue import DeletionRequest
from mlubench.serving.keys import add_key, remove_key
from mlubench.serving.queue_page.pages import LOGIN
from mlubench.serving.sessions import COOKIE, PAGES
from support.browser import browser_page
from support.requests import ENTITY
from support.serving import Answered, ask

FORM = "application/x-www-form-urlencoded"
Visit = Callable[..., Answered]


@pytest.fixture
def desk(place: Path, mllm) -> Desk:
    return Desk.open(place, mllm)


@pytest.fixture
def row(desk: Desk, whole_benchmark) -> DeletionRequest:
    """A request that waits for a decision."""
    pictures = whole_benchmark.image_root / "downloaded_images" / ENTITY.key
    return desk.submit(ENTITY, pictures, aliases=["<b>Nine</b>"])[0]


@pytest.fixture
def visit(requests_server: str) -> Visit:
    """A call as a browser makes it: forms are fields."""

    def call(path: str, fields: dict[str, str] | None = None, **headers: str) -> Answered:
        body = urlencode(fields).encode() if fields is not None else None
        return ask(requests_server, path, body, content_type=FORM, **headers)

    return call


def cookie_of(answered: Answered) -> str:
    return answered.headers["set-cookie"].partition(";")[0]


def token_in(page: Answered) -> str:
    found = re.search(rb'name="token" value="([^"]+)"', page.body)
    assert found is not None
    return found.group(1).decode()


def logged_in(visit: Visit, key: str) -> str:
    """The cookie of a new session."""
    answered = visit(LOGIN, {"key": key})
    assert (answered.status, answered.headers["location"]) == (303, PAGES)
    return cookie_of(answered)


def pages_of(row: DeletionRequest) -> dict[str, dict[str, str] | None]:
    """Every page, with the fields of those that are forms."""
    one = f"{PAGES}/{row.id}"
    reason = {"why": "because", "token": "guess"}
    forms = ("preview", "approve", "reject", "revert")
    return {
        PAGES: None,
        f"{PAGES}?show=all": None,
        one: None,
        f"{one}/pictures/1": None,
        f"{one}/evidence": None,
        **{f"{one}/{verb}": reason for verb in forms},
        f"{PAGES}/logout": reason,
    }


def test_nobody_without_an_admins_key_sees_or_does_anything(
    visit: Visit, key_file: dict[str, str], row: DeletionRequest, desk: Desk
) -> None:
    for key in ("", "guess", key_file["user"]):
        refused = visit(LOGIN, {"key": key})
        assert refused.status == 403
        assert b"no admin&#39;s key" in refused.body
        assert "set-cookie" not in refused.headers
    held = (
        {},
        {"cookie": f"{COOKIE}=guess"},
        # A page is opened by a session alone, whatever key a header holds.
        {"authorization": f"Bearer {key_file['user']}"},
        {"authorization": f"Bearer {key_file['admin']}"},
    )
    for headers in held:
        for path, fields in pages_of(row).items():
            answered = visit(path, fields, **headers)
            assert (answered.status, answered.headers["location"]) == (303, LOGIN)
            assert ENTITY.name.encode() not in answered.body
    assert desk.queue.get(row.id).state == "received"


def test_an_odd_host_gets_nothing(
    visit: Visit, key_file: dict[str, str], row: DeletionRequest
) -> None:
    cookie = logged_in(visit, key_file["admin"])
    for path, fields in {**pages_of(row), LOGIN: {"key": key_file["admin"]}}.items():
        answered = visit(path, fields, host="evil.example", cookie=cookie)
        assert answered.status == 400
        assert "does not go by that name" in answered.error["message"]


def test_a_session_opens_pages_alone_and_ends_with_its_key(
    visit: Visit, key_file: dict[str, str]
) -> None:
    file = Path(key_file["file"])
    cookie = logged_in(visit, add_key(file, "brief", "admin"))
    assert visit(PAGES, cookie=cookie).status == 200
    assert visit("/metrics", cookie=cookie).status == 401
    assert visit(f"{PAGES}/../metrics", cookie=cookie).status == 404
    remove_key(file, "brief")
    assert visit(PAGES, cookie=cookie).headers["location"] == LOGIN


def test_the_page_that_a_form_led_to_is_loaded_anew_as_that_of_the_request(
    visit: Visit, key_file: dict[str, str], row: DeletionRequest, desk: Desk
) -> None:
    cookie = logged_in(visit, key_file["admin"])
    for step in ("preview", "approve", "reject", "revert", "forget"):
        answered = visit(f"{PAGES}/{row.id}/{step}", cookie=cookie)
        assert (answered.status, answered.headers["location"]) == (303, f"{PAGES}/{row.id}")
    assert desk.queue.get(row.id).state == "received"
    assert visit(f"{PAGES}/{row.id}/other", cookie=cookie).status == 404
    assert visit(f"{PAGES}/req-nothing/approve", cookie=cookie).status == 404


def test_what_a_browser_is_told_to_keep_it_safe(
    visit: Visit, key_file: dict[str, str], row: DeletionRequest
) -> None:
    answered = visit(LOGIN, {"key": key_file["admin"]})
    stated = answered.headers["set-cookie"]
    assert "HttpOnly" in stated and "SameSite=strict" in stated and f"Path={PAGES}" in stated
    cookie = cookie_of(answered)
    page = visit(f"{PAGES}/{row.id}", cookie=cookie)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert b"<script" not in page.body
    # What was sent in is text, whatever it looks like.
    assert b"&lt;b&gt;Nine&lt;/b&gt;" in page.body and b"<b>Nine" not in page.body
    picture = visit(f"{PAGES}/{row.id}/pictures/1", cookie=cookie)
    assert (picture.status, picture.headers["content-type"]) == (200, "image/jpeg")
    assert visit(f"{PAGES}/{row.id}/pictures/99", cookie=cookie).status == 404
    assert visit(f"{PAGES}/req-nothing", cookie=cookie).status == 404
    assert visit(f"{PAGES}/{row.id}/evidence", cookie=cookie).body[:2] == b"PK"


def test_a_form_counts_only_from_its_own_page(
    visit: Visit, key_file: dict[str, str], row: DeletionRequest, desk: Desk
) -> None:
    cookie = logged_in(visit, key_file["admin"])
    other = logged_in(visit, key_file["admin"])
    one = f"{PAGES}/{row.id}"
    token = token_in(visit(one, cookie=cookie))
    reject = f"{one}/reject"
    right = {"why": "no such film", "token": token}
    for fields in ({"why": "x"}, {"why": "x", "token": "guess"}):
        assert visit(reject, fields, cookie=cookie).status == 403
    assert visit(reject, right, cookie=other).status == 403
    assert visit(reject, right, cookie=cookie, sec_fetch_site="cross-site").status == 403
    assert visit(reject, {"token": token}, cookie=cookie).status == 400
    assert desk.queue.get(row.id).state == "received"
    done = visit(reject, right, cookie=cookie)
    assert (done.status, done.headers["location"]) == (303, f"{one}?done=rejected")
    assert desk.queue.get(row.id).why == "no such film"
    again = visit(f"{one}/approve", {"token": token, "why": ""}, cookie=cookie)
    assert again.status == 409
    assert b"is rejected, and verified does not follow" in again.body
    assert row.id.encode() not in visit(PAGES, cookie=cookie).body
    assert row.id.encode() in visit(f"{PAGES}?show=ended", cookie=cookie).body
    visit(f"{PAGES}/logout", {"token": token}, cookie=cookie)
    assert visit(PAGES, cookie=cookie).headers["location"] == LOGIN


def test_from_the_list_to_a_revert_by_keyboard(
    requests_server: str, key_file: dict[str, str], row: DeletionRequest, desk: Desk
) -> None:
    with browser_page() as page:
        from playwright.sync_api import expect

        def go_to(name: str) -> None:
            """Press Tab until what has this name has the focus, and can be seen to have it."""
            for _ in range(40):
                page.keyboard.press("Tab")
                focused = page.locator(":focus")
                label = focused.evaluate("e => e.labels?.[0]?.textContent ?? e.textContent")
                if label.strip() == name:
                    style = focused.evaluate("e => getComputedStyle(e).outlineStyle")
                    assert style == "solid"
                    return
            raise AssertionError(f"{name} cannot be reached")

        page.goto(f"{requests_server}{PAGES}")
        expect(page.locator("#key")).to_be_focused()
        page.keyboard.type(key_file["admin"])
        page.keyboard.press("Enter")
        expect(page.locator("caption")).to_have_text("1 request, what is due first comes first")
        go_to(row.id)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(f"{row.id}: received")
        expect(page.locator("img").first).to_have_js_property("complete", True)
        go_to("Look ahead")
        page.keyboard.press("Enter")
        expect(page.get_by_text("No bound of the gate would be missed.")).to_be_visible()
        expect(page.get_by_role("row", name="Pictures of other things")).to_contain_text("of 36")
        go_to("Why (may be left out)")
        page.keyboard.type("asked by letter")
        go_to("Approve")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("the gate refuses it")
        expect(page.locator("h1")).to_have_text(f"{row.id}: verified")
        go_to("Revert")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(f"{row.id}: reverted")
        go_to("Log out")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Log in")
    entries = list(desk.queue.ledger.entries(request=row.id))
    assert [entry.event.actor for entry in entries[1:]] == ["ops"] * 3
    (verified,) = [entry for entry in entries if entry.event.kind == "verified"]
    assert desk.queue.ledger.details(verified) == {"why": "asked by letter"}
