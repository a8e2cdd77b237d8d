"""A baseline whose tasks each train an adapter of their own: an archive is the sum of all of them, as one adapter."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft.utils import load_peft_weights

from mlubench.core.errors import UsageError
from mlubench.experiment.context import Context
from mlubench.experiment.learners.making import learner_for
from mlubench.experiment.learners.stacked import Stacked
from mlubench.models.adapters import add_adapter, join_adapters, train_over
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.runs.folder import RunDir
from mlubench.settings import loading as settings
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark
from support.trainings import fit, lora_of


@pytest.fixture
def context(load_base: Callable, benchmark: Benchmark, tmp_path: Path) -> Callable[..., Context]:
    """Makes contexts of one run, each with a fresh base."""

    def make(*changes: str) -> Context:
        config = settings.load(
            "smoke", ["device=cpu", "train.epochs=1", "train.lr=0.01", "train.lora.r=8", *changes]
        )
        tasks = tuple(replace(t, forget=t.forget[::5], retain=t.retain[::5]) for t in benchmark)
        return Context(config, replace(benchmark, tasks=tasks), load_base(), RunDir(tmp_path))

    return make


def logits(mllm: MLLM, benchmark: Benchmark) -> torch.Tensor:
    samples = fit(benchmark, "forget", count=3)
    queries = [Query(benchmark.picture(s), s.question) for s in samples]
    with torch.no_grad():
        return answer_logits(mllm.model, mllm.encode(queries, [s.truth for s in samples]))[0]


def test_a_joined_adapter_is_the_sum(mllm: MLLM, benchmark: Benchmark) -> None:
    """Also of adapters whose alpha over rank differs."""
    add_adapter(mllm, "one", LoraConfig(r=4, alpha=4), "language", seed=0)
    add_adapter(mllm, "two", LoraConfig(r=8, alpha=16), "language", seed=1)
    with torch.no_grad():
        for name, parameter in mllm.model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.02, generator=torch.Generator().manual_seed(len(name)))
    train_over(mllm, "one", "two")
    both = logits(mllm, benchmark)
    join_adapters(mllm, ["one", "two"], "sum", "language")
    assert torch.allclose(logits(mllm, benchmark), both, atol=1e-4)
    mllm.model.set_adapter("two")
    assert not torch.allclose(logits(mllm, benchmark), both, atol=1e-2)


def test_only_the_second_of_two_is_trained(mllm: MLLM) -> None:
    add_adapter(mllm, "one", LoraConfig(r=4, alpha=4), "language", seed=0)
    add_adapter(mllm, "two", LoraConfig(r=4, alpha=4), "language", seed=1)
    train_over(mllm, "one", "two")
    trained = {name for name, p in mllm.model.named_parameters() if p.requires_grad}
    assert trained == set(lora_of(mllm, "two"))


def test_an_archive_holds_what_was_before_it_and_what_is_new(context: Callable) -> None:
    ctx = context()
    learner = learner_for("o3", ctx)
    assert isinstance(learner, Stacked)
    learner.at([])
    learner.learn(ctx.benchmark.task("A"))
    learner.learn(ctx.benchmark.task("B"))
    after_a = load_peft_weights(str(ctx.run.archive("o3", "A")), device="cpu")
    after_b = load_peft_weights(str(ctx.run.archive("o3", "B")), device="cpu")
    assert set(after_a) == set(after_b)
    for name, weight in after_a.items():
        dim = 0 if ".lora_A." in name else 1
        assert weight.shape[dim] == 8
        assert after_b[name].shape[dim] == 16
        assert torch.equal(after_b[name].narrow(dim, 0, 8), weight)
    # A fresh process answers from the archive as this one does.
    again = context()
    other = learner_for("o3", again)
    other.at(["A", "B"])
    assert torch.allclose(
        logits(again.mllm, again.benchmark), logits(ctx.mllm, ctx.benchmark), atol=1e-5
    )


def test_parts_trained_whole_cannot_be_added_up(context: Callable) -> None:
    with pytest.raises(UsageError, match="parts that are trained whole have no sum"):
        learner_for("o3", context("train.scope=all", "train.full=[projector]"))


def test_a_second_expert_keeps_clear_of_the_first(context: Callable) -> None:
    """With a large weight hardly any overlap is left; two fresh adapters start with far more."""
    ctx = context(
        "lumoe.expert=o3", "train.options={orthogonal: 10}", "train.per_method.lumoe.lr=0.01"
    )
    learner = learner_for("lumoe", ctx)
    learner.at([])
    for task in ("A", "B"):
        learner.learn(ctx.benchmark.task(task))
    first = load_peft_weights(str(ctx.run.archive("lumoe", "A")), device="cpu")
    second = load_peft_weights(str(ctx.run.archive("lumoe", "B")), device="cpu")
    names = [name for name in first if ".lora_A." in name]
    overlaps = [(first[name] @ second[name].T).square().sum() for name in names]
    assert float(sum(overlaps)) < 1
