"""Kappa and rank correlations against figures worked out by hand."""

import numpy as np
import pytest

from mlubench.statistics.agreement import (
    Pair,
    agreement,
    kendall,
    spearman,
    weighted_kappa,
)


def test_confusion_has_the_first_judge_in_rows() -> None:
    pairs = [Pair("f", 0, 1), Pair("g", 0, 1), Pair("f", 2, 2)]
    counts = agreement(pairs, resamples=10)["confusion"]
    assert counts == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]


def test_kappa_by_hand() -> None:
    table = np.array([[4.0, 1, 0], [0, 2, 0], [1, 0, 2]])
    # Rows 5 2 3, columns 5 3 2, of 10.
    # Quadratic: seen 1 + 4 = 5; chance (5*3 + 2*5 + 2*2 + 3*3 + 4*(5*2 + 3*5)) / 10 = 13.8.
    assert weighted_kappa(table, "quadratic") == pytest.approx(1 - 5 / 13.8)
    # Linear: seen 1 + 2 = 3; chance (15 + 10 + 4 + 9 + 2*(10 + 15)) / 10 = 8.8.
    assert weighted_kappa(table, "linear") == pytest.approx(1 - 3 / 8.8)


def test_kappa_at_its_ends() -> None:
    assert weighted_kappa(np.diag([3.0, 1, 2])) == 1
    assert weighted_kappa(np.outer([2.0, 1, 1], [1.0, 2, 1])) == pytest.approx(0)
    assert weighted_kappa(np.diag([3.0, 0, 0])) is None
    assert weighted_kappa(np.zeros((3, 3))) is None


def test_rank_correlations_by_hand() -> None:
    assert kendall([1, 2, 3], [1, 2, 3]) == spearman([1, 2, 3], [1, 2, 3]) == 1
    assert kendall([1, 2, 3], [3, 2, 1]) == -1
    assert kendall([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert kendall([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / 6**0.5)
    assert kendall([1, 1], [1, 2]) is None
    assert spearman([1, 1], [1, 2]) is None


def test_interval_widens_when_answers_of_a_fact_stand_together() -> None:
    dice = np.random.default_rng(0)
    scores = [
        (int(a), int(a) if dice.random() < 0.8 else 2 - int(a)) for a in dice.integers(0, 3, 120)
    ]

    def width(facts: int) -> float:
        low, high = agreement(
            [Pair(str(n % facts), *s) for n, s in enumerate(scores)], resamples=400
        )["agreement"]["ci95"]
        return float(high - low)

    one = [Pair("f", a, b) for a, b in scores]
    assert 0.05 < width(120) < 0.3
    assert (
        agreement(one, resamples=50)["agreement"]["ci95"] is None
    )  # one fact says nothing of the spread
    same = [Pair(str(n), *scores[n // 6]) for n in range(120)]
    together = [Pair(str(n // 6), *scores[n // 6]) for n in range(120)]
    widths = [
        np.ptp(agreement(p, resamples=400)["kappa_quadratic"]["ci95"]) for p in (same, together)
    ]
    assert widths[1] > 1.5 * widths[0]
