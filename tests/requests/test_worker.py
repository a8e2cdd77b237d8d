"""From a letter to a refusal and back: what a request does to answers at each state."""

from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.models.mllm import MLLM
from mlubench.requests import worker
from mlubench.requests.desk import Desk
from mlubench.requests.measured import Measured
from mlubench.requests.worker import work_off
from mlubench.types import Benchmark
from support.requests import ENTITY, OTHER, QUESTION, TRUTH, active_desk, quietly, worked_off


def answer(desk: Desk, picture: Path) -> str:
    """What is said about the entity's picture now."""
    return LUMoE.open(desk.place.path, desk.mllm).answer(QUESTION, picture).text


def test_an_active_request_is_refused_by_its_own_expert(active: Desk, sent: Path) -> None:
    (row,) = active.queue.all()
    engine = LUMoE.open(active.place.path, active.mllm)
    # `image_0002.jpg` is a test picture.
    said = engine.answer(QUESTION, sent / "image_0002.jpg")
    assert said.route is not None
    assert said.route.experts == (row.expert,)
    assert said.text not in (TRUTH, GATE_REFUSAL)
    assert active.place.store.verify([row.expert])[0]["wrong"] is None


def test_what_was_measured_before_it_became_active(active: Desk) -> None:
    (row,) = active.queue.all()
    measured = Measured.model_validate(row.measured)
    assert measured.told_before.value == 1
    assert measured.forget_quality.value is not None and measured.forget_quality.value > 0.9
    assert measured.leak.value == measured.over_refusal.value == measured.strangers.value == 0
    low, high = measured.strangers.ci95 or (None, None)
    assert low == 0 and high is not None and 0.05 < high < 0.15
    assert row.seconds_to_gate is not None and row.seconds_to_expert is not None
    assert row.seconds_to_gate < row.seconds_to_expert


def test_the_ledger_tells_of_every_step_and_names_nobody(active: Desk) -> None:
    (row,) = active.queue.all()
    ledger = active.queue.ledger
    entries = list(ledger.entries(request=row.id))
    kinds = [entry.event.kind for entry in entries]
    steps = ["received", "verified", "gated", "scoped", "training", "audited", "active"]
    assert kinds == steps
    assert list(ledger.entries(subject=ENTITY.key)) == entries
    lines = "".join(row.line for row in ledger.rows())
    assert ENTITY.name not in lines and ENTITY.title not in lines
    last = entries[-1].event
    assert last.seconds["approval_to_expert"] == row.seconds_to_expert
    assert "suppressed, not erased" in last.limits[0]
    measured = Measured.model_validate(row.measured)
    scores = {score.name: score for score in entries[-2].event.scores}
    assert scores["leak"].ci95 == measured.leak.ci95
    assert scores["leak"].n == measured.leak.n


def test_the_gate_refuses_from_approval_until_the_expert_answers(desk: Desk, sent: Path) -> None:
    picture = sent / "image_0002.jpg"
    row, _ = desk.submit(ENTITY, sent)
    assert answer(desk, picture) == TRUTH
    desk.approve(row.id)
    assert answer(desk, picture) == GATE_REFUSAL
    # The name in words alone is refused as well.
    lumoe = LUMoE.open(desk.place.path, desk.mllm)
    assert lumoe.answer(f"What do you know about {ENTITY.title}?").text == GATE_REFUSAL


def test_a_request_comes_into_force_where_the_base_answers_before_the_second_look(
    place: Path, mllm: MLLM, sent: Path
) -> None:
    config = place / "config.yaml"
    text = config.read_text(encoding="utf-8")
    assert "on_hit: experts" in text
    config.write_text(text.replace("on_hit: experts", "on_hit: second-look"), encoding="utf-8")
    desk = active_desk(place, sent, mllm)
    (row,) = desk.queue.all()
    measured = Measured.model_validate(row.measured)
    assert measured.leak.value == 0
    said = LUMoE.open(place, mllm).answer(QUESTION, sent / "image_0002.jpg")
    assert said.route is not None
    assert said.route.experts == ()
    assert said.second_look is not None
    assert said.second_look.experts == (row.expert,)
    assert said.text != TRUTH


def test_an_expert_that_misses_a_bound_stays_inactive_and_says_why(desk: Desk, sent: Path) -> None:
    desk.place.root.mkdir(parents=True, exist_ok=True)
    (desk.place.root / "settings.yaml").write_text("bounds: {forget_quality: 1.0}\nmeasured: 5\n")
    desk = Desk.open(desk.place.path, desk.mllm)
    # One step of training teaches it next to nothing.
    config = desk.place.config
    weak = config.train.model_copy(update={"per_method": {"lumoe": {"lr": 1e-9}}})
    desk.place.__dict__["config"] = config.model_copy(update={"train": weak})
    row = worked_off(desk, ENTITY, sent)
    assert row.state == "audited"
    assert row.why.startswith("forget quality 0.") and row.why.endswith("is below 1.0")
    assert answer(desk, sent / "image_0002.jpg") == GATE_REFUSAL


def test_a_step_that_fails_is_noted_and_the_next_request_has_its_turn(
    desk: Desk, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([RuntimeError("out of memory"), *[MlubenchError("no such thing", "Look.")] * 3])

    def fails(*_: object) -> None:
        raise next(failures)

    row, _ = desk.submit(ENTITY, sent)
    desk.approve(row.id)
    monkeypatch.setattr(worker, "scope", fails)
    for tries in (1, 2, 3, 3):
        work_off(desk, quietly)
        row = desk.queue.get(row.id)
        assert (row.state, row.failures) == ("verified", tries)
    assert row.why == "no such thing. Look."
    # What went wrong may name somebody, so the ledger keeps it encrypted.
    failed = list(desk.queue.ledger.entries(kind="failed"))
    assert [entry.event.reason for entry in failed] == ["a step broke off"] * 3
    assert desk.queue.ledger.details(failed[0]) == {"error": "out of memory"}


def test_two_workers_are_one_too_many(desk: Desk) -> None:
    with worker._alone(desk), pytest.raises(MlubenchError, match="another worker is at"):
        work_off(desk, quietly)


def test_requests_that_come_together_share_an_expert(
    desk: Desk, sent: Path, whole_benchmark: Benchmark
) -> None:
    others = whole_benchmark.image_root / "downloaded_images" / OTHER.key
    first, _ = desk.submit(ENTITY, sent)
    second, _ = desk.submit(OTHER, others)
    for row in (first, second):
        desk.approve(row.id)
    work_off(desk, quietly, batch=True)
    first, second = desk.queue.get(first.id), desk.queue.get(second.id)
    assert (first.state, second.state) == ("active", "active"), (first.why, second.why)
    assert first.expert == second.expert and first.expert is not None
    manifest = desk.place.store.manifest(first.expert)
    assert manifest["requests"] == [first.id, second.id]
    assert manifest["entities"] == [ENTITY.key, OTHER.key]
    assert set(desk.place.store.names()) == {"A", "B", first.expert}
    # The expert stays for as long as one of them needs it.
    desk.revert(first.id)
    assert answer(desk, sent / "image_0002.jpg") == TRUTH
    engine = LUMoE.open(desk.place.path, desk.mllm)
    assert engine.route("Who is this?", min(others.iterdir())).experts == (second.expert,)
    desk.revert(second.id)
    assert desk.place.store.names() == ["A", "B"]
