"""SatImp against arithmetic done by hand."""

import math

import pytest
import torch

from mlubench.unlearning.losses import satimp_loss
from support.methods import view
from support.trainings import method_of

LOGPS = torch.tensor([[0.5, 0.25], [0.125, 0.9]]).log()
MASK = torch.tensor([[True, True], [True, False]])


def test_each_token_is_weighed_by_saturation_and_importance() -> None:
    """At b1 = 2 and b2 = 1 the weights are 1/4 x 1/2, 1/16 x 3/4 and 1/64 x 7/8."""
    weights = [1 / 8, 3 / 64, 7 / 512]
    by_hand = sum(w * math.log(p) for w, p in zip(weights, [0.5, 0.25, 0.125], strict=True)) / 3
    assert float(satimp_loss(LOGPS, MASK, beta1=2.0, beta2=1.0)) == pytest.approx(by_hand)


def test_the_weight_is_a_constant_to_the_gradient() -> None:
    logps = LOGPS.clone().requires_grad_()
    satimp_loss(logps, MASK, beta1=2.0, beta2=1.0).backward()
    assert logps.grad.flatten().tolist() == pytest.approx([1 / 24, 1 / 64, 7 / 1536, 0.0])


def test_certain_and_impossible_tokens_are_left_alone() -> None:
    logps = torch.tensor([[0.0, -60.0]], requires_grad=True)
    satimp_loss(logps, torch.ones(1, 2, dtype=torch.bool), beta1=5.0, beta2=1.0).backward()
    assert logps.grad.flatten().tolist() == pytest.approx([0.0, 0.0])


def test_the_method_adds_what_is_retained() -> None:
    """Forget: one token of 1/2 with weight 1/4 x 1/2. Retain: one token of 1/4, whose NLL is log 4."""
    views = {"forget": view([[0.5]]), "retain": view([[0.25]])}
    loss = method_of("satimp", beta1=2.0, beta2=1.0, alpha=3.0).loss(views)
    assert loss.item() == pytest.approx(math.log(0.5) / 8 + 3 * math.log(4))
