"""WGA against arithmetic done by hand."""

import math

import pytest
import torch

from mlubench.unlearning.losses import ga_loss, wga_loss
from support.methods import view
from support.trainings import method_of

# Probabilities 1/2 and 1/4 of one answer, 1/8 of another; what stands at the padded place must never count.
LOGPS = torch.tensor([[0.5, 0.25], [0.125, 0.9]]).log()
MASK = torch.tensor([[True, True], [True, False]])


def test_each_token_is_weighed_by_its_own_probability() -> None:
    by_hand = (0.5 * math.log(0.5) + 0.25 * math.log(0.25) + 0.125 * math.log(0.125)) / 3
    assert float(wga_loss(LOGPS, MASK, beta=1.0)) == pytest.approx(by_hand)
    # At b = 2 the weights are 1/4, 1/16 and 1/64.
    by_hand = (math.log(0.5) / 4 + math.log(0.25) / 16 + math.log(0.125) / 64) / 3
    assert float(wga_loss(LOGPS, MASK, beta=2.0)) == pytest.approx(by_hand)


def test_the_weight_is_a_constant_to_the_gradient() -> None:
    logps = LOGPS.clone().requires_grad_()
    wga_loss(logps, MASK, beta=1.0).backward()
    assert logps.grad.flatten().tolist() == pytest.approx([0.5 / 3, 0.25 / 3, 0.125 / 3, 0.0])


def test_near_beta_0_it_is_gradient_ascent() -> None:
    assert float(wga_loss(LOGPS, MASK, beta=1e-7)) == pytest.approx(float(ga_loss(LOGPS, MASK)))


def test_the_method_adds_what_is_retained() -> None:
    """Forget: one token of 1/2, so 1/2 log 1/2. Retain: one token of 1/4, whose NLL is log 4."""
    views = {"forget": view([[0.5]]), "retain": view([[0.25]])}
    loss = method_of("wga", alpha=3.0).loss(views)
    assert loss.item() == pytest.approx(0.5 * math.log(0.5) + 3 * math.log(4))
