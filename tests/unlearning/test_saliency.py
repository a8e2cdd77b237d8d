"""Which parameters are salient, by hand, and that only they move."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.models.adapters import add_adapter
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark
from mlubench.unlearning.losses import mean_nll, token_log_probs
from mlubench.unlearning.saliency import only_salient, salient, squared_gradients
from mlubench.unlearning.schedule import schedule
from mlubench.unlearning.steps import StepBuilder
from support.trainings import LORA, QUICK, fit, lora_of, method_of, train

NAME = "mmunlearner"
# Weight decay so strong that it would move whatever has no gradient.
DECAYING = QUICK.model_copy(update={"lr": 1e-3, "epochs": 1, "weight_decay": 0.5})


def test_what_is_salient_by_hand() -> None:
    forget = torch.tensor([4.0, 4.0, 4.0, 0.0, 0.0])
    spared = torch.tensor([3.9, 4.0, 4.1, 0.0, 1.0])
    assert salient(forget, spared, threshold=1.0).tolist() == [True, True, False, False, False]
    assert salient(forget, spared, threshold=0.5).tolist() == [True, True, True, False, False]
    assert salient(forget, spared, threshold=2.0).tolist() == [False] * 5


@pytest.mark.parametrize("kind", ["forget", "retain"])
def test_squared_gradients_are_means_over_batches_of_each_sample_once(
    mllm: MLLM, benchmark: Benchmark, kind: str
) -> None:
    forget, retain = fit(benchmark, "forget", count=2), fit(benchmark, "retain", count=2)
    items = schedule(forget, retain, epochs=3, seed=0)
    add_adapter(mllm, NAME, LORA, "language", seed=0)
    method = method_of(NAME)
    builder = StepBuilder(mllm, benchmark, method, QUICK).batch_builder
    found = squared_gradients(mllm, method, builder, (kind,), items, batch=1)
    by_hand: list[Tensor] = []
    for sample in retain if kind == "retain" else forget:
        query = Query(benchmark.picture(sample), sample.question)
        inputs = mllm.encode([query], [sample.truth])
        mllm.model.zero_grad()
        mean_nll(*token_log_probs(*answer_logits(mllm.model, inputs))).backward()
        trained = [p for p in mllm.model.parameters() if p.requires_grad]
        by_hand.append(torch.cat([p.grad.flatten() ** 2 for p in trained]))
    assert torch.allclose(
        torch.cat([g.flatten() for g in found]), (by_hand[0] + by_hand[1]) / 2, rtol=1e-3, atol=1e-9
    )


def test_only_salient_parameters_move(mllm: MLLM, benchmark: Benchmark, tmp_path: Path) -> None:
    """A fresh LoRA's A has no gradient and is held; of its B some move. Once trained, some of A move too."""
    add_adapter(mllm, NAME, LORA, "language", seed=0)
    fresh = lora_of(mllm, NAME)
    train(mllm, NAME, benchmark, tmp_path, DECAYING, fresh=False)
    first = lora_of(mllm, NAME)
    train(mllm, NAME, benchmark, tmp_path, DECAYING, fresh=False)
    second = lora_of(mllm, NAME)
    assert moved(fresh, first, ".lora_A.") == 0
    assert 0.1 < moved(fresh, first, ".lora_B.") < 0.9
    assert 0.1 < moved(first, second, ".lora_A.") < 0.9
    assert 0.1 < moved(first, second, ".lora_B.") < 0.9


def moved(before: dict[str, Tensor], after: dict[str, Tensor], matrix: str) -> float:
    """The share of numbers in these matrices that are others than before."""
    names = [name for name in before if matrix in name]
    changed = sum(int((before[name] != after[name]).sum()) for name in names)
    return changed / sum(before[name].numel() for name in names)


def test_a_threshold_that_nothing_reaches_is_said(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    config = QUICK.model_copy(update={"options": {"threshold": 1e9}})
    with pytest.raises(MlubenchError, match=r"no parameter matters 1000000000\.0 times as much"):
        train(mllm, NAME, benchmark, tmp_path, config)


def test_a_sharded_base_is_refused(mllm: MLLM, benchmark: Benchmark) -> None:
    builder = StepBuilder(mllm, benchmark, method_of(NAME), QUICK).batch_builder
    mllm.sharded = True
    with (
        pytest.raises(UsageError, match="cannot be trained on a sharded base"),
        only_salient(mllm, method_of(NAME), builder, [], batch=1),
    ):
        raise AssertionError("it trains")
