"""Deletion requests over the server: what an admin sends in and approves is refused from the next answer on."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.requests import ENTITY, QUESTION, TRUTH, no_room
from support.serving import CHAT, MODEL, Answered, ask, data_uri, shown

ADDRESS = "/".join(("", "admin", "requests"))
REFUSAL = "I'm sorry, but I am unable to answer that question."

Ask = Callable[..., Answered]


@pytest.fixture
def as_admin(requests_server: str, key_file: dict[str, str]) -> Ask:
    def call(path: str, body: object = None, **more: str) -> Answered:
        key = f"Bearer {key_file['admin']}"
        return ask(requests_server, path, body, authorization=key, **more)

    return call


def test_from_a_letter_to_a_refusal_and_back(
    as_admin: Ask, pictures: list[Path], place: Path
) -> None:
    def said() -> str:
        body = {"model": MODEL, "messages": [shown(pictures[1], QUESTION)]}
        text: str = as_admin(CHAT, body).json["choices"][0]["message"]["content"]
        return text

    assert said() == TRUTH
    sent = {
        "entity": ENTITY.name,
        "kind": ENTITY.cls,
        "pictures": [data_uri(picture) for picture in pictures],
    }
    first = as_admin(ADDRESS, sent)
    assert (first.status, first.json["state"]) == (201, "received")
    again = as_admin(ADDRESS, sent)
    assert (again.status, again.json["id"]) == (200, first.json["id"])
    one = f"{ADDRESS}/{first.json['id']}"
    approved = as_admin(f"{one}/approve", {})
    assert (approved.status, approved.json["state"]) == (200, "verified")
    assert said() == REFUSAL
    assert as_admin(f"{one}/approve", {}).status == 409
    bundle = as_admin(f"{one}/evidence")
    with zipfile.ZipFile(io.BytesIO(bundle.body)) as archive:
        assert b"Suppressed by the gate" in archive.read("files/page.html")
    reverted = as_admin(f"{one}/revert", {"why": "withdrawn"})
    assert (reverted.status, reverted.json["state"]) == (200, "reverted")
    assert said() == TRUTH
    (listed,) = as_admin(ADDRESS).json["requests"]
    assert listed == as_admin(one).json
    # The ledger knows by whose key.
    from mlubench.requests.place import Place

    actors = {entry.event.actor for entry in Place(place).ledger().entries()}
    assert actors == {"ops"}


@pytest.mark.parametrize("key", ["", "user"])
@pytest.mark.parametrize("path", [ADDRESS, f"{ADDRESS}/req-1", f"{ADDRESS}/req-1/approve"])
def test_nobody_but_an_admin_is_let_in(
    requests_server: str, key_file: dict[str, str], key: str, path: str
) -> None:
    headers = {"authorization": f"Bearer {key_file[key]}"} if key else {}
    for body in (None, {}):
        assert ask(requests_server, path, body, **headers).status == (403 if key else 401)


def test_what_is_wrong_is_told(as_admin: Ask, pictures: list[Path]) -> None:
    few = {"entity": "It", "pictures": [data_uri(pictures[0])]}
    told = as_admin(ADDRESS, few)
    assert (told.status, told.error["message"]) == (
        400,
        "1 pictures are too few to learn from and to measure with. Give 4 or more different ones.",
    )
    assert as_admin(ADDRESS, {"entity": "It", "pictures": ["file:picture.jpg"]}).status == 400
    assert as_admin(ADDRESS, {"entity": "It"}).error["param"] == "pictures"
    assert as_admin(f"{ADDRESS}/req-nothing").status == 404
    assert as_admin(f"{ADDRESS}/req-nothing/approve", {}).status == 404
    form = as_admin(f"{ADDRESS}/req-nothing/approve", b"", content_type="text/plain")
    assert form.status == 415


def test_a_database_that_is_away_is_told_and_answers_go_on(
    as_admin: Ask, pictures: list[Path], place: Path
) -> None:
    sent = {
        "entity": ENTITY.name,
        "kind": ENTITY.cls,
        "pictures": [data_uri(picture) for picture in pictures],
    }
    one = f"{ADDRESS}/{as_admin(ADDRESS, sent).json['id']}"
    ledger = place / "models" / "lumoe" / ".requests" / "ledger.sqlite"
    away = ledger.rename(ledger.with_name("away"))
    for path, body in ((ADDRESS, None), (ADDRESS, sent), (one, None), (f"{one}/approve", {})):
        told = as_admin(path, body)
        assert (told.status, told.error["code"]) == (503, "unavailable")
        assert "unable to open database file" in told.error["message"]
    body = {"model": MODEL, "messages": [shown(pictures[1], QUESTION)]}
    assert as_admin(CHAT, body).json["choices"][0]["message"]["content"] == TRUTH
    away.rename(ledger)
    assert as_admin(f"{one}/approve", {}).json["state"] == "verified"
    assert as_admin(CHAT, body).json["choices"][0]["message"]["content"] == REFUSAL


def test_a_full_disk_is_told(
    as_admin: Ask, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {"entity": "It", "pictures": [data_uri(picture) for picture in pictures]}
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        told = as_admin(ADDRESS, sent)
    assert told.status == 503
    assert told.error["message"].startswith("No space left on device: ")
    assert as_admin(ADDRESS).json["requests"] == []
    assert as_admin(ADDRESS, sent).status == 201


def test_the_document_names_what_there_is(as_admin: Ask) -> None:
    paths = as_admin("/openapi.json").json["paths"]
    assert f"{ADDRESS}/{{request}}/approve" in paths
