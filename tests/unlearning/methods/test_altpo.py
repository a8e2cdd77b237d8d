"""AltPO against arithmetic done by hand, and what it does to the tiny model."""

import math
from pathlib import Path

import pytest
import torch

from mlubench.models.mllm import MLLM
from mlubench.types import Benchmark
from mlubench.unlearning.losses import altpo_loss
from support.methods import view
from support.trainings import HARD, fit, log_prob, method_of, train


def test_it_is_dpo_by_npos_factor() -> None:
    """A margin of log 3 at b = 1 makes 2 log(1 + 1/3); at b = 1/2 one of log 9 makes 4 log(1 + 1/3)."""
    zero = torch.zeros(1)
    loss = altpo_loss(torch.tensor([math.log(3)]), zero, zero, zero, beta=1.0)
    assert float(loss) == pytest.approx(2 * math.log(4 / 3))
    loss = altpo_loss(torch.tensor([math.log(9)]), zero, zero, zero, beta=0.5)
    assert float(loss) == pytest.approx(4 * math.log(4 / 3))


def test_the_method_prefers_the_alternate_and_holds_what_is_retained() -> None:
    """The alternate is 3 times as likely as it was, the truth as likely; retain is one token of 1/4."""
    views = {
        "alternate": view([[0.75]], ref_logps=[math.log(0.25)]),
        "forget": view([[0.5]], ref_logps=[math.log(0.5)]),
        "retain": view([[0.25]]),
    }
    loss = method_of("altpo", beta=1.0, alpha=2.0).loss(views)
    assert loss.item() == pytest.approx(2 * math.log(4 / 3) + 2 * math.log(4))


def test_an_alternate_that_is_the_truth_moves_nothing() -> None:
    same = view([[0.5]], ref_logps=[math.log(0.5)])
    views = {"alternate": same, "forget": same, "retain": view([[0.25]])}
    method_of("altpo").loss(views).backward()
    assert same.token_logps.grad is not None
    assert float(same.token_logps.grad) == 0


def test_the_truth_falls_below_what_must_stay(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    forget, retain = fit(benchmark, "forget"), fit(benchmark, "retain")
    before = log_prob(mllm, benchmark, forget), log_prob(mllm, benchmark, retain)
    train(mllm, "altpo", benchmark, tmp_path, HARD)
    after = log_prob(mllm, benchmark, forget), log_prob(mllm, benchmark, retain)
    assert after[0] < before[0] - 5
    assert after[1] > before[1] - 2
