"""What a few steps say of a whole run: by a clock on which steps and answers take so long as the test says."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mlubench.core.files import NotMadeError
from mlubench.experiment.plan import measure as measuring
from mlubench.experiment.plan.measure import measure
from mlubench.experiment.plan.plan import plan_run
from mlubench.experiment.sequence import run_lifelong
from mlubench.models.mllm import MLLM
from mlubench.settings.loading import load
from mlubench.settings.run import Config
from mlubench.unlearning.reference import Reference
from mlubench.unlearning.trainer import UnlearningTrainer
from support.runs import PRESET, call
from support.virtual_time import VirtualTime

# Seconds of a step, of asking the reference about a sample, and of an answer.
STEP, ASK, ANSWER = 2.0, 0.5, 0.25
# Whatever LUMoE takes over is not known exactly beforehand, since gates err.
FACTOR = 1.1
SETTINGS = (
    *PRESET[2:], "device=cpu", "methods=[ga, npo, lumoe]", "know.enabled=false", "train.epochs=2",
    "evaluate.limit=10", "evaluate.max_new_tokens=8",
)  # fmt: skip


@dataclass
class Spent:
    """What was done, in numbers."""

    clock: VirtualTime
    steps: int = 0
    answers: int = 0


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spent]:
    """Steps, references and answers are made as ever, and each moves the clock by its time."""
    found = Spent(VirtualTime())
    compute_loss, ask_chunk, generate = (
        UnlearningTrainer.compute_loss,
        Reference._ask_chunk,
        MLLM.generate,
    )

    def slow_step(self: UnlearningTrainer, *args: Any, **options: Any) -> Any:
        found.clock.now += STEP
        found.steps += 1
        return compute_loss(self, *args, **options)

    def slow_ask(self: Reference, kinds: Any, chunk: Any) -> Any:
        found.clock.now += ASK * len(chunk)
        return ask_chunk(self, kinds, chunk)

    def slow_answers(self: MLLM, queries: Any, **options: Any) -> list[str]:
        found.clock.now += ANSWER * len(queries)
        found.answers += len(queries)
        return generate(self, queries, **options)

    monkeypatch.setattr(UnlearningTrainer, "compute_loss", slow_step)
    monkeypatch.setattr(Reference, "_ask_chunk", slow_ask)
    monkeypatch.setattr(MLLM, "generate", slow_answers)
    with found.clock.in_module(measuring):
        yield found


@pytest.fixture
def config(base_path: Path) -> Config:
    """A short run on the base that is in the cache."""
    return load("smoke", list(SETTINGS))


@pytest.mark.slow
def test_the_estimate_is_what_the_run_then_takes(
    spent: Spent, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_run(config, tmp_path / "run")
    measured = measure(config, plan)
    assert not (tmp_path / "run").exists()
    ga, npo, lumoe = measured.methods
    for row in (ga, npo, lumoe):
        assert row.step_seconds == pytest.approx(STEP)
        assert row.answer_seconds == pytest.approx(ANSWER)
        assert row.training_bytes is None or row.training_bytes > 0
    # NPO asks its reference about each sample once, GA has none.
    assert (ga.first_seconds, npo.first_seconds) == (pytest.approx(0), pytest.approx(ASK))
    planned = {method.name: method for method in plan.methods}
    assert ga.training_seconds == pytest.approx(STEP * (planned["ga"].steps or 0))

    # A few steps and answers: far fewer than the run's.
    steps, answers, before = spent.steps, spent.answers, spent.clock.now
    run_lifelong(config, tmp_path / "run", Console(quiet=True))
    assert spent.steps - steps == plan.steps
    assert steps < (plan.steps or 0)
    took = spent.clock.now - before
    assert took / FACTOR < measured.seconds < took * FACTOR
    # LUMoE's oracle takes over nearly all of its answers.
    asked = sum(row.questions for row in plan.asked or [] if not row.who.startswith("lumoe"))
    estimated = asked + round(lumoe.answering_seconds / ANSWER)
    given = spent.answers - answers
    assert given / FACTOR < estimated < given * FACTOR


def test_a_base_that_is_not_made_is_not_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    config = load("smoke", list(SETTINGS))
    with pytest.raises(NotMadeError, match="the base is not made yet"):
        measure(config, plan_run(config, tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []
    words: list[object] = ["run", "smoke", "--dry-run", "--measure", "--out", tmp_path / "run"]
    said = call(*words)
    assert said.code == 0
    assert said.out.splitlines()[-1].startswith("not measured: the base is not made yet. A run")
    facts = json.loads(call(*words, "--json").out)
    assert facts["measured"] is None
    assert facts["not_measured"].startswith("the base is not made yet")


def test_a_world_without_its_base_is_not_enough(
    whole_benchmark: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The world is in the cache, the base of these settings is not."""
    config = load("smoke", [*SETTINGS, "model.toy.steps=17"])
    made: list[Any] = []
    monkeypatch.setattr("mlubench.models.toy.base._train", lambda *a, **o: made.append(a))
    with pytest.raises(NotMadeError, match="the base is not made yet"):
        measure(config, plan_run(config, tmp_path / "run"))
    assert made == []


def test_measuring_goes_with_a_dry_run_alone(tmp_path: Path) -> None:
    called = call("run", "smoke", "--measure", "--out", tmp_path / "run")
    assert called.code == 2
    assert "--measure goes with --dry-run" in called.err
    assert not (tmp_path / "run").exists()


def test_what_is_measured_is_shown(base_path: Path, tmp_path: Path) -> None:
    words: list[object] = ["run", "smoke", "--dry-run", "--measure", "--out", tmp_path / "run"]
    for setting in SETTINGS:
        words += ["-s", setting]
    shown = call(*words, "-s", "methods=[ga]")
    assert shown.code == 0, shown.err
    _, _, told = shown.out.partition("time and peak memory, measured by ")
    lines = [line.split() for line in told.splitlines()]
    assert [line[0] for line in lines[2:4]] == ["base", "ga"]
    assert "in all:" in told
    assert max(map(len, told.splitlines()[1:4])) <= 80
    assert not (tmp_path / "run").exists()
