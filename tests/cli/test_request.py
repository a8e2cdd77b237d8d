"""`mlubench request` as people type it: lines for people, JSON for programs, and what is wrong in one line."""

import json
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.types import Benchmark
from support.requests import ENTITY
from support.runs import Called, Finished, call


@pytest.fixture
def store(finished: Finished, tmp_path: Path) -> Path:
    return copytree(finished.folder / "models" / "lumoe", tmp_path / "experts")


@pytest.fixture
def pictures(whole_benchmark: Benchmark) -> Path:
    return whole_benchmark.image_root / "downloaded_images" / ENTITY.key


def submit(store: Path, pictures: Path, *more: object) -> Called:
    words = ("--store", store, "--entity", ENTITY.key, "--pictures", pictures)
    return call("request", "submit", *words, *more)


def test_a_request_is_sent_in_listed_and_turned_down(store: Path, pictures: Path) -> None:
    # Nothing says yet where pictures of other things are from, and the gate needs some.
    assert "it has no pictures of other things to compare with" in submit(store, pictures).error
    sent = submit(store, pictures, "--alias", "Nine Nights", "--background", "drawn", "--json")
    assert sent.code == 0, sent.err
    facts = json.loads(sent.out)
    assert (facts["state"], facts["new"]) == ("received", True)
    name = facts["id"]
    assert submit(store, pictures, "--alias", "Nine Nights").out == (
        f"{name} came before; it is received\n"
    )
    listed = call("request", "list", "--store", store).out
    assert listed.startswith(f"{name}  received  {ENTITY.key} ")
    why = "no such film\nreq-0  active\x1b[2J"
    rejected = call("request", "reject", "--store", store, name[:8], "--why", why)
    assert rejected.code == 0, rejected.err
    shown = call("request", "show", "--store", store, name).out
    assert "state: rejected" in shown and "why: no such film req-0 active\\x1b[2J\n" in shown
    (listed,) = call("request", "list", "--store", store).out.splitlines()
    assert listed.endswith("no such film req-0 active\\x1b[2J")


def test_what_is_wrong_is_one_line(store: Path, pictures: Path, tmp_path: Path) -> None:
    assert "holds no picture" in submit(store, tmp_path).error
    for verb in ("show", "approve", "revert"):
        called = call("request", verb, "--store", store, "req-nothing")
        assert called.code == 2
        assert "no request of id 'req-nothing'" in called.error
    nowhere = call("request", "list", "--store", tmp_path / "nowhere")
    assert "is no store of experts" in nowhere.error
    (tmp_path / "anything").mkdir()
    nothing = call("request", "list", "--store", tmp_path / "anything")
    assert "is no store of experts" in nothing.error
    # No ledger is begun there.
    assert list((tmp_path / "anything").iterdir()) == []
    both = call("request", "work", "--store", store, "--once", "--watch")
    assert "give --once or --watch" in both.error


def test_settings_of_a_plain_store_are_named_once(
    store: Path, pictures: Path, whole_benchmark: Benchmark
) -> None:
    nowhere = submit(store, pictures, "--kept", store / "nowhere", "--background", "drawn")
    assert "nowhere does not exist" in nowhere.error
    kept = ("--kept", whole_benchmark.image_root, "--background", "drawn")
    assert submit(store, pictures, *kept).code == 0
    assert submit(store, pictures, *kept).code == 0
    other = submit(store, pictures, "--background", "real")
    assert "background is drawn in" in other.error


def test_who_is_at_the_keyboard_has_a_name(
    store: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "a\nb")
    called = submit(store, pictures, "--background", "drawn")
    assert called.code == 2
    assert "is no name of who does this" in called.error
