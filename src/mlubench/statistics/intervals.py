"""Intervals of a rate, of a mean over samples that depend on each other, and of a mean over seeds."""

from collections.abc import Sequence

import numpy as np

from mlubench.statistics.bootstrap import Interval, ratio_interval

Z_95 = 1.959964  # 97.5% point of the normal distribution, to the digits of the first results


def wilson(hits: int, n: int) -> Interval | None:
    """95% Wilson interval of a rate, which stays sensible at 0 of n. None for n = 0."""
    # Not scipy's binomtest: it has more digits of z, so that one of 700 intervals would change its last digit.
    if not n:
        return None
    rate = hits / n
    square = Z_95 * Z_95 / n
    middle = (rate + square / 2) / (1 + square)
    half = Z_95 * np.sqrt(rate * (1 - rate) / n + square / (4 * n)) / (1 + square)
    low = max(0.0, middle - half)
    high = min(1.0, middle + half)
    return round(float(low), 6), round(float(high), 6)


def clustered_mean(
    values: Sequence[float], clusters: Sequence[str], *, resamples: int, seed: int = 0
) -> tuple[float, Interval] | None:
    """Mean and its 95% percentile bootstrap, which resamples whole clusters. None without values.

    A difference of two conditions is paired when each value is the difference on one sample.
    """
    if not len(values):
        return None
    interval = ratio_interval(values, [1.0] * len(values), clusters, resamples=resamples, seed=seed)
    assert interval is not None  # every resample holds a value
    return round(float(np.mean(values)), 6), interval


def mean_over_seeds(values: Sequence[float]) -> tuple[float, Interval | None]:
    """Mean over runs that differ in their seed alone, and its 95% t-interval; no interval for a single run."""
    mean = float(np.mean(values))
    runs = len(values)
    if runs < 2:
        return round(mean, 6), None
    # Imported here: only sweeps need it, and a report is to open at once.
    from scipy.special import stdtrit

    student = float(stdtrit(runs - 1, 0.975))  # 97.5% point of Student's t
    half = student * float(np.std(values, ddof=1)) / runs**0.5
    return round(mean, 6), (round(mean - half, 6), round(mean + half, 6))
