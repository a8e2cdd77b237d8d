"""An expert is trained again while it refuses too little, and left as it is once it does."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlubench.experiment.context import Context
from mlubench.experiment.refusing import train_until_it_refuses
from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.runs.folder import RunDir
from mlubench.runs.manifest import ManifestFacts
from mlubench.settings import loading as settings
from mlubench.types import Benchmark

# One step of a training that is too weak to teach a refusal, and a training that teaches it at once.
WEAK = ("train.per_method.lumoe.lr=1e-5", "train.epochs=1")
STRONG = ("train.per_method.lumoe.lr=0.01", "train.epochs=8")


@pytest.fixture
def trained(
    base_path: Path, benchmark: Benchmark, tmp_path: Path
) -> Callable[..., tuple[ManifestFacts, dict[str, Tensor]]]:
    """An expert of task A under some settings: what its manifest says of it, and its weights."""

    def make(*changes: str) -> tuple[ManifestFacts, dict[str, Tensor]]:
        mllm = MLLM.load(base_path, device="cpu")
        mllm.name = base_path.name
        config = settings.load("smoke", ["device=cpu", "evaluate.max_new_tokens=24", *changes])
        ctx = Context(config, benchmark, mllm, RunDir(tmp_path))
        of_expert = config.train.for_method("lumoe")
        add_adapter(mllm, "A", of_expert.lora, of_expert.scope, seed=0)
        facts = train_until_it_refuses(ctx, "lumoe", benchmark.task("A"), of_expert)
        weights = {
            name: weight.clone()
            for name, weight in mllm.model.state_dict().items()
            if ".lora_" in name
        }
        return facts, weights

    return make


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_an_expert_that_refuses_is_not_trained_again(trained: Callable) -> None:
    facts, weights = trained(*STRONG, "lumoe.retries=3", "lumoe.refuses=0.8")
    assert facts["trainings"] == 1
    assert facts["refuses"] >= 0.8
    once, plain = trained(*STRONG)
    assert "trainings" not in once
    assert same(weights, plain)


def test_an_expert_that_does_not_refuse_is_trained_again(trained: Callable) -> None:
    once, plain = trained(*WEAK)
    facts, weights = trained(*WEAK, "lumoe.retries=2")
    assert facts["trainings"] == 3
    assert facts["refuses"] < 0.95
    assert facts["train"]["steps"] == 3 * once["train"]["steps"]
    assert facts["train"]["first_loss"] == once["train"]["first_loss"]
    assert facts["train"]["last_loss"] < once["train"]["last_loss"]
    assert not same(weights, plain)


def test_it_ends_as_soon_as_enough_is_refused(trained: Callable) -> None:
    some = ("train.per_method.lumoe.lr=0.002", "train.epochs=1")
    facts, _ = trained(*some, "lumoe.retries=10", "lumoe.refuses=0.5")
    assert 1 < facts["trainings"] <= 10
    assert facts["refuses"] >= 0.5


def test_a_method_that_teaches_no_refusal_is_trained_once(trained: Callable) -> None:
    facts, _ = trained(*WEAK, "lumoe.expert=npo", "lumoe.retries=2")
    assert "trainings" not in facts
