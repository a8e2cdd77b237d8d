"""What is tested after a task is what was archived: the model in memory and one mounted from disk say the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import is_whole
from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base, Learner
from mlubench.experiment.learners.lumoe import LumoeLearner, OracleLumoeLearner
from mlubench.experiment.learners.making import learner_for
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.runs.folder import RunDir
from mlubench.settings import loading as settings
from mlubench.types import Benchmark, Route, Sample

SPLITS = ("forget", "retain")
WHOLE = ("train.scope=all", "train.full=[projector]")


@pytest.fixture
def context(base_path: Path, benchmark: Benchmark, tmp_path: Path) -> Callable[..., Context]:
    """Makes contexts of one run, each with a fresh base, in a dtype."""

    def make(dtype: str, *changes: str) -> Context:
        mllm = MLLM.load(base_path, dtype=dtype, device="cpu")
        mllm.name = base_path.name
        config = settings.load(
            "smoke", ["device=cpu", "train.epochs=1", "evaluate.max_new_tokens=12", *changes]
        )
        tasks = tuple(replace(t, forget=t.forget[::5], retain=t.retain[::5]) for t in benchmark)
        return Context(config, replace(benchmark, tasks=tasks), mllm, RunDir(tmp_path))

    return make


def asked(benchmark: Benchmark) -> list[Sample]:
    """Test samples of each task and split."""
    groups = [t.split(split) for t in benchmark for split in ("forget", "retain")]  # type: ignore[arg-type]
    return [s for group in groups for s in [s for s in group if s.role == "test"][:4]]


def logits(ctx: Context, learner: LumoeLearner | None = None, *experts: str) -> Tensor:
    """Of true answers: LUMoE's with these experts, or of what is mounted as it is."""
    samples = asked(ctx.benchmark)
    batch = ctx.mllm.encode(ctx.queries(samples), [s.truth for s in samples])
    with torch.no_grad():
        if learner is None:
            return answer_logits(ctx.mllm.model, batch)[0]
        with learner.engine.answering([Route(experts, None, 0.0, "by hand")] * len(samples)):
            return answer_logits(ctx.mllm.model, batch)[0]


def told(learner: Learner, samples: list[Sample]) -> tuple[list[object], list[str]]:
    routes = learner.routes(samples)
    return list(routes), learner.answer(samples, routes)


@pytest.mark.parametrize("name", ["ga", "po", "lumoe"])
def test_unlearning_makes_the_truth_less_probable(context: Callable, name: str) -> None:
    ctx = context("float32", "train.epochs=8", "train.lr=0.01", "train.per_method.lumoe.lr=0.01")
    samples = {
        split: [s for s in asked(ctx.benchmark) if (s.task, s.split) == ("A", split)]
        for split in SPLITS
    }
    base, learner = Base(ctx), learner_for(name, ctx)
    base.at([])
    before = {split: base.truth_probabilities(samples[split], []) for split in SPLITS}
    learner.at([])
    learner.learn(ctx.benchmark.task("A"))
    learner.at(["A"])
    after = {
        split: learner.truth_probabilities(rows, learner.routes(rows))
        for split, rows in samples.items()
    }
    assert min(before["forget"]) > 0.8
    assert mean(after["forget"]) < mean(before["forget"]) - 0.05
    if name == "lumoe":  # what the gate sends to no expert is the base's
        assert after["retain"] == pytest.approx(before["retain"], rel=1e-3)


@pytest.mark.parametrize("name", ["ga", "lumoe"])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (("train.warmup_ratio=0.9", "train.batch=512"), "the training changed nothing"),
        (("train.lr=1e6", "train.per_method.lumoe.lr=1e6"), "became nan|are no numbers"),
    ],
)
def test_a_training_that_cannot_be_right_is_archived_nowhere(
    context: Callable, name: str, changes: tuple[str, ...], why: str
) -> None:
    """What was archived before stays, and a run with better settings goes on from it."""
    good = context("float32")
    learner = learner_for(name, good)
    learner.at([])
    learner.learn(good.benchmark.task("A"))
    archive = good.run.archive(name, "A")
    before = {file.name: file.read_bytes() for file in archive.iterdir()}
    ctx = context("float32", *changes)
    again = learner_for(name, ctx)
    again.at(["A"])
    with pytest.raises(MlubenchError, match=why):
        again.learn(ctx.benchmark.task("B"))
    assert not ctx.run.archive(name, "B").exists()
    assert {file.name: file.read_bytes() for file in archive.iterdir()} == before
    better = context("float32")
    learner = learner_for(name, better)
    learner.at(["A"])
    learner.learn(better.benchmark.task("B"))
    assert is_whole(better.run.archive(name, "B"))


@pytest.mark.parametrize(
    ("dtype", "changes"), [("float32", ()), ("bfloat16", ()), ("bfloat16", WHOLE)]
)
def test_an_experts_answers_are_those_of_its_archive(
    context: Callable, dtype: str, changes: tuple[str, ...]
) -> None:
    ctx = context(dtype, *changes)
    samples, learner, done = asked(ctx.benchmark), LumoeLearner(ctx), []
    base = logits(ctx)
    for task in ctx.benchmark:
        learner.at(done)
        learner.learn(task)
        done = [*done, task.name]
        learner.at(done)  # as a run does before it tests
        later = context(dtype, *changes)
        archived = LumoeLearner(later)
        archived.at(done)
        for name in done:
            in_memory = logits(ctx, learner, name)
            assert (in_memory - base).abs().max() > 0.1
            assert torch.equal(in_memory, logits(later, archived, name)), name
        assert torch.equal(logits(ctx, learner), base)
        assert told(learner, samples) == told(archived, samples)
    oracle = OracleLumoeLearner(ctx)
    oracle.at(done)
    assert torch.equal(logits(ctx, oracle, "A"), logits(later, archived, "A"))
    assert {r.experts for r in oracle.routes(samples)} >= {("A",), ("B",), ()}  # type: ignore[union-attr]


def test_a_baselines_answers_are_those_of_its_archive(context: Callable) -> None:
    ctx = context("bfloat16", *WHOLE)
    learner, done = learner_for("npo", ctx), []
    base = logits(ctx)
    for task in ctx.benchmark:
        learner.at(done)
        learner.learn(task)
        done = [*done, task.name]
        learner.at(done)
        later = context("bfloat16", *WHOLE)
        learner_for("npo", later).at(done)
        assert (logits(ctx) - base).abs().max() > 0.1
        assert torch.equal(logits(ctx), logits(later)), task.name
    Base(ctx).at([])  # the next method of the run begins from the base as it was
    assert torch.equal(logits(ctx), base)


def test_a_weight_of_a_task_that_is_not_there_is_wrong_use(context: Callable) -> None:
    with pytest.raises(UsageError, match=r"unknown task in lumoe.weights 'Z'"):
        LumoeLearner(context("float32", "lumoe.weights.Z=0.5"))
    assert LumoeLearner(context("float32", "lumoe.weights.A=0.5")).engine.weights == {"A": 0.5}


def test_a_sharded_base_is_not_asked_by_one_process_alone(context: Callable) -> None:
    ctx = context("float32", "gate=self")
    ctx.mllm.sharded = True
    with pytest.raises(UsageError, match="gate self"):
        LumoeLearner(ctx)
