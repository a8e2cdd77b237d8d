"""The one bootstrap: whole clusters are drawn again, since rows of one fact or entity are not independent.

Seeds and the order of draws are fixed, so that the same verdicts have the same interval in every results.json.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (2.5, 97.5)  # of a 95% interval
Interval = tuple[float, float]


def number_clusters(names: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    """The cluster of each row as a number, by sorted name, and how many clusters there are. (rows,)"""
    distinct, numbers = np.unique(np.asarray(names), return_inverse=True)
    return numbers, len(distinct)


def draw_clusters(clusters: int, resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each cluster is drawn in each resample, with replacement. (resamples, clusters)"""
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)


def percentile_interval(values: Sequence[float | None] | NDArray[np.float64]) -> Interval | None:
    """The 95% percentile interval of resampled values, to 6 digits.

    Some resamples have no value, as kappa where all scores are equal. None where fewer than half of them have one.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) * 2 < len(values):
        return None
    low, high = np.percentile(known, PERCENTILES)
    return round(float(low), 6), round(float(high), 6)


def ratio_interval(
    parts: Sequence[float],
    wholes: Sequence[float],
    clusters: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> Interval | None:
    """The 95% interval of sum(`parts`) / sum(`wholes`); `clusters` names the cluster of each row. There must be a row."""
    numbers, count = number_clusters(clusters)
    totals = np.zeros((count, 2))
    np.add.at(totals, numbers, np.column_stack([parts, wholes]))
    drawn = draw_clusters(count, resamples, np.random.default_rng(seed)) @ totals  # (resamples, 2)
    return percentile_interval(drawn[:, 0] / drawn[:, 1])
