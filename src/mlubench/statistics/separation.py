"""How well scores part what must pass from what must not: AUROC, false positives at 95% recall, each with an interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECALL = 0.95
Floats = NDArray[np.float64]


def separation(
    positive: Sequence[float],
    negative: Sequence[float],
    clusters: tuple[Sequence[str], Sequence[str]],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """`auroc` (ties count half) and `fpr95`, the share of negatives passed where 95% of positives do, with `_ci95` each.

    Intervals are 95% percentile bootstraps over whole clusters (entities): `clusters` names that of each positive and of
    each negative, and both sides are drawn apart. All None when one side is empty.
    """
    if not len(positive) or not len(negative):
        return dict.fromkeys(("auroc", "auroc_ci95", "fpr95", "fpr95_ci95"))
    curve = _Curve(np.asarray(positive, float), np.asarray(negative, float))
    result: dict[str, Any] = {}
    dice = np.random.default_rng(seed)
    drawn = [_draws(names, dice, resamples) for names in clusters]
    many = np.array([curve.measure(a, b) for a, b in zip(*drawn, strict=True)])
    once = curve.measure(np.ones(len(positive)), np.ones(len(negative)))
    for column, (name, value) in enumerate(zip(("auroc", "fpr95"), once, strict=True)):
        low, high = np.percentile(many[:, column], [2.5, 97.5])
        result |= {
            name: round(value, 6),
            f"{name}_ci95": (round(float(low), 6), round(float(high), 6)),
        }
    return result


class _Curve:
    """Scores sorted once, so that each resample is a matter of weights."""

    def __init__(self, positive: Floats, negative: Floats) -> None:
        values, place = np.unique(np.concatenate([positive, negative]), return_inverse=True)
        self.size = len(values)
        self.places = place[: len(positive)], place[len(positive) :]

    def measure(self, positive: Floats, negative: Floats) -> tuple[float, float]:
        """AUROC and false positives at the recall, the scores weighted so."""
        up, down = (
            np.bincount(where, weights, self.size)
            for where, weights in zip(self.places, (positive, negative), strict=True)
        )
        up, down = up / up.sum(), down / down.sum()
        below = np.cumsum(down) - down
        area = float((up * (below + down / 2)).sum())
        passed = np.cumsum(up[::-1])[::-1]  # recall when all at or above this value pass
        edge = int(np.nonzero(passed >= RECALL - 1e-12)[0][-1])
        return area, float(down[edge:].sum())


def _draws(names: Sequence[str], dice: np.random.Generator, resamples: int) -> Floats:
    """How often each row counts in each resample. (resamples, rows)"""
    _, place = np.unique(np.asarray(names), return_inverse=True)
    count = int(place.max()) + 1
    return dice.multinomial(count, np.full(count, 1 / count), size=resamples)[:, place].astype(
        float
    )
