"""Thresholds by hand: the tolerance limit where it can be stated, and what stands in for it where it cannot."""

import random
import statistics

import pytest
import torch

from mlubench.lumoe.gates.risk import CONFIDENCE, conformal_threshold, threshold_of


def test_230_scores_are_the_fewest_that_state_one_percent() -> None:
    """0.99 ** 230 is the first power below 0.1."""
    assert 0.99**229 > 1 - CONFIDENCE > 0.99**230
    scores = [float(n) for n in range(230)]
    threshold, stated = threshold_of(scores, [], 0.01)
    assert stated == 0.01
    assert -1e-9 < threshold < 0  # none of them is below it
    assert threshold_of(scores[1:], [], 0.01)[1] is None


def test_the_stated_risk_holds_as_often_as_stated() -> None:
    """True leaks of thresholds set on 400 draws from the uniform distribution, where the leak is the threshold itself."""
    dice = random.Random(0)
    leaks = [threshold_of([dice.random() for _ in range(400)], [], 0.02)[0] for _ in range(500)]
    held = sum(leak <= 0.02 for leak in leaks) / 500
    assert CONFIDENCE - 0.04 < held < 0.99
    assert statistics.fmean(leaks) > 0.005  # and it is no needlessly low threshold


def test_with_few_scores_it_lies_between_the_two() -> None:
    """Deviations of 1 and 2 around 10 and 1: three deviations from both means is 7."""
    own, other = [9.0, 10.0, 11.0], [-1.0, 1.0, 3.0]
    assert threshold_of(own, other, 0.01) == (pytest.approx(7.0), None)


def test_without_others_it_is_the_normal_quantile() -> None:
    threshold, stated = threshold_of([9.0, 10.0, 11.0], [], 0.01)
    assert (threshold, stated) == (pytest.approx(10 - 2.3263, abs=1e-3), None)


@pytest.mark.parametrize("risk", [0.0, 0.01, 0.5])
def test_no_risk_and_a_great_many_scores_are_no_trouble(risk: float) -> None:
    scores = [float(n) for n in range(20_000)]
    threshold, stated = threshold_of(scores, [-1.0, -2.0], risk)
    assert stated == (risk or None)
    assert sum(s <= threshold for s in scores) <= max(1, risk * 20_000)


def test_a_conformal_threshold_is_a_quantile_of_the_scores_of_others() -> None:
    scores = torch.arange(100.0).flip(0)
    # Rank ceil(101 * 0.9) = 91 of 0, 1, 2, ...
    assert conformal_threshold(scores, 0.1) == 90
    # Of so few nothing lower than the largest can be stated.
    assert conformal_threshold(scores[:5], 0.01) == 99
