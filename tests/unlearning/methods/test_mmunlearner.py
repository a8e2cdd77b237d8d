"""MMUnlearner against arithmetic done by hand; which parameters it moves is tested in test_saliency.py."""

import math

import pytest

from support.methods import view
from support.trainings import method_of


def test_the_loss_is_a_gradient_difference() -> None:
    """Forget: tokens of 1/2 and 1/4, whose mean NLL is 1.5 log 2. Retain: one of 1/8, whose NLL is 3 log 2."""
    views = {"forget": view([[0.5, 0.25]]), "retain": view([[0.125]])}
    assert method_of("mmunlearner").loss(views).item() == pytest.approx(1.5 * math.log(2))
    weighed = method_of("mmunlearner", alpha=2.0).loss(views)
    assert weighed.item() == pytest.approx(4.5 * math.log(2))


def test_it_spares_what_is_retained() -> None:
    assert method_of("mmunlearner").spares == ("retain",)
    assert method_of("mmunlearner", threshold=2.0).threshold == 2.0
