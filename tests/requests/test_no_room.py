"""A disk that is full, a database that is away: one clear line, nothing half in effect, and the same call goes on."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from mlubench.core.errors import MlubenchError
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.verification import Trust
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.requests import worker
from mlubench.requests.desk import Desk
from mlubench.requests.worker import work_off
from support.requests import ENTITY, no_room, quietly
from support.runs import call

# Every so manieth place where something is written is tried: each try fits a gate.
STRIDE = 3


def tried_at_each_write(
    call_it: Callable[[], object], looked_at: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> int:
    """Call it again and again, each time with a disk that is full a little later. Returns how often that ended it."""
    really = os.fsync
    failures = 0
    while True:
        left = failures * STRIDE

        def sync(handle: int) -> None:
            nonlocal left
            if left == 0:
                no_room()
            left -= 1
            really(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", sync)
            try:
                call_it()
            except OSError as error:
                assert error.strerror == "No space left on device"
            else:
                return failures
        failures += 1
        looked_at()


def refuses(desk: Desk, picture: Path) -> bool:
    return LUMoE.open(desk.place.path, desk.mllm).route("What is this?", picture).refused


def test_a_full_disk_puts_nothing_half_into_effect(
    desk: Desk, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = sent / "image_0002.jpg"
    desk.place.root.mkdir(parents=True, exist_ok=True)
    (desk.place.root / "settings.yaml").write_text("look_alikes: 1\n")
    states: list[tuple[str, bool]] = []

    def look() -> None:
        assert verify_stored(desk.queue.ledger, Trust()).is_whole
        for row in desk.queue.all():
            states.append((row.state, refuses(desk, picture)))

    assert tried_at_each_write(lambda: desk.submit(ENTITY, sent), look, monkeypatch) > 1
    # It was acknowledged only when all of it was there.
    assert states == []
    (row,) = desk.queue.all()
    assert tried_at_each_write(lambda: desk.approve(row.id), look, monkeypatch) > 3
    assert {state for state, _ in states} == {"verified"}
    assert refuses(desk, picture)
    states.clear()
    assert tried_at_each_write(lambda: desk.revert(row.id), look, monkeypatch) > 0
    assert {state for state, _ in states} == {"reverted"}
    assert not refuses(desk, picture)
    kinds = [entry.event.kind for entry in desk.queue.ledger.entries()]
    assert kinds == ["received", "verified", "gated", "reverted"]


def test_the_machines_affair_is_no_failure_of_a_request(
    desk: Desk, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, _ = desk.submit(ENTITY, sent)
    desk.approve(row.id)

    def away(*_: object) -> None:
        with desk.queue.ledger.database.reading():
            raise OperationalError("", {}, Exception("the server is away"))

    for broken, error in ((no_room, OSError), (away, MlubenchError)):
        with monkeypatch.context() as patch:
            patch.setattr(worker, "scope", broken)
            with pytest.raises(error):
                work_off(desk, quietly)
        found = desk.queue.get(row.id)
        assert (found.state, found.failures, found.why) == ("verified", 0, "")


def test_a_database_that_is_away_leaves_all_as_it_was(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(ENTITY, sent)
    file = desk.place.root / "ledger.sqlite"
    away = file.rename(file.with_name("away"))
    for step in (
        lambda: desk.approve(row.id),
        lambda: desk.reject(row.id, "no"),
        lambda: desk.submit(ENTITY, sent, key="another"),
        lambda: work_off(desk, quietly),
    ):
        with pytest.raises(MlubenchError, match="unable to open database file"):
            step()
    assert desk.place.now().in_force is None
    away.rename(file)
    assert desk.approve(row.id).state == "verified"


def test_a_server_that_refuses_connections_is_one_line(place: Path, tmp_path: Path) -> None:
    root = place / "models" / "lumoe" / ".requests"
    root.mkdir()
    lines = f"ledger: postgresql://127.0.0.1:9/requests\nkeys: {tmp_path / 'keys.json'}\n"
    (root / "settings.yaml").write_text(lines)
    called = call("request", "list", "--store", place)
    assert called.code == 1
    (line,) = called.err.splitlines()
    assert "cannot be read" in line and "refused" in line
    assert list(root.iterdir()) == [root / "settings.yaml"]
