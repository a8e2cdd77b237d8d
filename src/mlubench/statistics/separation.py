"""How well scores part what must pass from what must not: AUROC, false positives at 95% recall, each with an interval."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from mlubench.statistics.bootstrap import (
    Interval,
    draw_clusters,
    number_clusters,
    percentile_interval,
)

RECALL = 0.95
Floats = NDArray[np.float64]


class Separation(TypedDict):
    """All None when one side is empty."""

    # Chance that a positive scores higher than a negative; ties count half.
    auroc: float | None
    auroc_ci95: Interval | None
    # Share of negatives passed where 95% of positives pass.
    fpr95: float | None
    fpr95_ci95: Interval | None


def separation(
    positive: Sequence[float],
    negative: Sequence[float],
    clusters: tuple[Sequence[str], Sequence[str]],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> Separation:
    """How well a score parts positives from negatives.

    Intervals are 95% percentile bootstraps over whole clusters (entities): `clusters` names that of each positive and of
    each negative, and both sides are drawn apart.
    """
    if not len(positive) or not len(negative):
        return {"auroc": None, "auroc_ci95": None, "fpr95": None, "fpr95_ci95": None}
    curve = _Curve(np.asarray(positive, float), np.asarray(negative, float))
    auroc, fpr95 = curve.measure(np.ones(len(positive)), np.ones(len(negative)))
    rng = np.random.default_rng(seed)
    # All draws of the positives come before those of the negatives, from one stream.
    positive_weights = _row_weights(clusters[0], resamples, rng)
    negative_weights = _row_weights(clusters[1], resamples, rng)
    resampled = np.array(
        [curve.measure(p, n) for p, n in zip(positive_weights, negative_weights, strict=True)]
    )  # (resamples, 2)
    return {
        "auroc": round(auroc, 6),
        "auroc_ci95": percentile_interval(resampled[:, 0]),
        "fpr95": round(fpr95, 6),
        "fpr95_ci95": percentile_interval(resampled[:, 1]),
    }


class _Curve:
    """Scores sorted once, so that a resample is only a matter of weights.

    scikit-learn's `roc_auc_score` would sort them anew for each of hundreds of resamples, and takes a second to import.
    """

    def __init__(self, positive: Floats, negative: Floats) -> None:
        values, places = np.unique(np.concatenate([positive, negative]), return_inverse=True)
        self.size = len(values)  # distinct scores, lowest first
        self.positive_places = places[: len(positive)]
        self.negative_places = places[len(positive) :]

    def measure(self, positive_weights: Floats, negative_weights: Floats) -> tuple[float, float]:
        """AUROC and false positives at the recall, with these weights of the rows. (positives,) (negatives,)"""
        positive = self._shares(self.positive_places, positive_weights)
        negative = self._shares(self.negative_places, negative_weights)
        negative_below = np.cumsum(negative) - negative
        auroc = float((positive * (negative_below + negative / 2)).sum())
        recall = np.cumsum(positive[::-1])[::-1]  # when all at or above this score pass
        # The highest threshold that still passes enough; 1e-12 for sums like 0.95 that floats miss by a little.
        threshold = int(np.nonzero(recall >= RECALL - 1e-12)[0][-1])
        return auroc, float(negative[threshold:].sum())

    def _shares(self, places: NDArray[np.intp], weights: Floats) -> Floats:
        """The share of the weights at each distinct score. (size,)"""
        total = np.bincount(places, weights, self.size)
        return total / total.sum()


def _row_weights(clusters: Sequence[str], resamples: int, rng: np.random.Generator) -> Floats:
    """How often each row counts in each resample: as often as its cluster. (resamples, rows)"""
    numbers, count = number_clusters(clusters)
    return draw_clusters(count, resamples, rng)[:, numbers].astype(float)
