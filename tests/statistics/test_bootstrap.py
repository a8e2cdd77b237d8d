"""Random streams and last digits are part of every results.json: intervals of today, as they were when first written."""

import numpy as np
import pytest

from mlubench.statistics.agreement import Pair, agreement, kendall, spearman
from mlubench.statistics.bootstrap import percentile_interval
from mlubench.statistics.intervals import clustered_mean, wilson
from mlubench.statistics.scores import Scored, paired_difference, score_of
from mlubench.statistics.separation import separation


def test_every_interval_is_the_same_to_the_last_digit() -> None:
    rng = np.random.default_rng(5)
    scores = [[0, 1, 2, None][int(n)] for n in rng.integers(0, 4, 60)]
    rows = [Scored(f"fact ü{n % 7}", score, {}) for n, score in enumerate(scores)]
    assert score_of(rows, resamples=500) == {
        "score": 0.443182,
        "ci95": (0.297472, 0.585366),
        "n": 44,
        "unscored": 16,
    }
    assert score_of(rows, resamples=500, seed=3)["ci95"] == (0.310528, 0.588889)
    other = [Scored(r.fact, 1 if r.score is None else 2 - r.score, {}) for r in rows]
    assert paired_difference(rows, other, resamples=400) == {
        "difference": -0.113636,
        "ci95": (-0.416964, 0.178333),
        "n": 44,
    }
    values = list(rng.normal(size=40))
    clusters = [str(n % 11) for n in range(40)]
    expected = (-0.100361, (-0.245908, 0.036529))
    assert clustered_mean(values, clusters, resamples=300) == expected
    pairs = [
        Pair(f"f{n % 9}", int(a), int(b)) for n, (a, b) in enumerate(rng.integers(0, 3, (50, 2)))
    ]
    assert agreement(pairs, resamples=200) == {
        "n": 50,
        "facts": 9,
        "kappa_quadratic": {"value": -0.157556, "ci95": (-0.497201, 0.157929)},
        "kappa_linear": {"value": -0.070764, "ci95": (-0.360172, 0.180934)},
        "agreement": {"value": 0.34, "ci95": (0.156746, 0.5)},
        "confusion": [[4, 4, 7], [4, 9, 8], [6, 4, 4]],
    }
    positive, negative = list(rng.normal(1, 1, 30)), list(rng.normal(0, 1, 25))
    entities = [f"e{n % 6}" for n in range(30)], [f"s{n % 4}" for n in range(25)]
    assert separation(positive, negative, entities) == {
        "auroc": 0.846667,
        "auroc_ci95": (0.720114, 0.971562),
        "fpr95": 0.4,
        "fpr95_ci95": (0.16, 0.736004),
    }
    a, b = rng.integers(0, 9, 12).tolist(), rng.integers(0, 9, 12).tolist()
    assert kendall(a, b) == pytest.approx(-0.14287992527381863, abs=1e-15)
    assert spearman(a, b) == pytest.approx(-0.20295341126960517, abs=1e-15)


@pytest.mark.parametrize(
    ("hits", "n", "interval"),
    [
        (0, 5, (0.0, 0.434482)),
        (3, 5, (0.230724, 0.882379)),
        (5, 5, (0.565518, 1.0)),
        (17, 200, (0.053746, 0.131896)),
    ],
)
def test_wilson_keeps_its_last_digit_and_is_that_of_scipy_but_for_it(
    hits: int, n: int, interval: tuple[float, float]
) -> None:
    from scipy.stats import binomtest

    assert wilson(hits, n) == interval
    assert tuple(binomtest(hits, n).proportion_ci(method="wilson")) == pytest.approx(
        interval, abs=1e-6
    )


def test_resamples_without_a_value() -> None:
    assert percentile_interval([None, 0.5, 0.5]) == (0.5, 0.5)
    assert percentile_interval([None, None, None, 0.5]) is None
    assert percentile_interval([0.5]) is None
    assert percentile_interval([]) is None
