"""Values by hand, and intervals that hold what they must: the spread over entities and that over seeds."""

import numpy as np
import pytest

from mlubench.statistics.crossed import CrossedDraws


def test_a_ratio_is_pooled_over_entities_and_then_averaged_over_seeds() -> None:
    draws = CrossedDraws(2, 2, resamples=400)
    parts = np.array([[1.0, 0.0], [3.0, 1.0]])
    wholes = np.array([[1.0, 1.0], [3.0, 1.0]])
    found = draws.estimate(draws.ratio(parts, wholes))
    assert found.value == pytest.approx((1 / 2 + 4 / 4) / 2)
    assert found.ci95 is not None
    assert found.ci95[0] < found.value < found.ci95[1]


def test_seeds_widen_the_interval_where_entities_agree() -> None:
    parts = np.array([[0.2] * 5, [0.6] * 5])
    two = CrossedDraws(2, 5, resamples=400)
    assert two.estimate(two.ratio(parts, np.ones((2, 5)))).ci95 == (0.2, 0.6)
    one = CrossedDraws(1, 5, resamples=400)
    assert one.estimate(one.ratio(parts[:1], np.ones((1, 5)))).ci95 == (0.2, 0.2)


def test_without_an_entity_that_counts_there_is_no_value() -> None:
    draws = CrossedDraws(1, 3, resamples=100)
    found = draws.estimate(draws.ratio(np.zeros((1, 3)), np.zeros((1, 3))))
    assert (found.value, found.ci95) == (None, None)
