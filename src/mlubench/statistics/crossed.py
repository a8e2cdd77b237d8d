"""Intervals over entities and seeds together: both are drawn again, each entity in all runs alike.

The runs of several seeds ask about the same entities, so the two are crossed, not nested.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlubench.statistics.bootstrap import Interval, draw_clusters, percentile_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95% interval; None where it cannot be computed."""

    value: float | None
    ci95: Interval | None


class CrossedDraws:
    """One set of draws for all statistics of the same runs, so that differences between them are paired.

    Arrays by seed have a row for what was measured, and after it one for each resample.
    """

    def __init__(self, seeds: int, entities: int, *, resamples: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        drawn = draw_clusters(entities, resamples, rng)
        self._entities = np.vstack([np.ones((1, entities)), drawn])  # (1 + resamples, entities)
        # The spread over a single seed is not known, and it is drawn every time.
        drawn = draw_clusters(seeds, resamples, rng)
        self._seeds = np.vstack([np.ones((1, seeds)), drawn])  # (1 + resamples, seeds)

    def ratio(self, parts: Floats, wholes: Floats) -> Floats:
        """Sum of `parts` over sum of `wholes`, both (seeds, entities), as (1 + resamples, seeds).

        NaN where a resample drew no entity that counts.
        """
        above = self._entities @ parts.T
        below = self._entities @ wholes.T
        return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)

    def estimate(self, by_seed: Floats) -> Estimate:
        """The mean over seeds of a statistic, (1 + resamples, seeds)."""
        means = (by_seed * self._seeds).sum(axis=1) / self._seeds.sum(axis=1)
        if np.isnan(means[0]):
            return Estimate(None, None)
        drawn = [None if np.isnan(mean) else float(mean) for mean in means[1:]]
        return Estimate(round(float(means[0]), 6), percentile_interval(drawn))
