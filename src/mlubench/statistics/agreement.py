"""How far two judges agree, answer by answer and in how they rank methods: arithmetic only, no files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCORES = (0, 1, 2)
Weighting = str  # "linear" or "quadratic": how a disagreement grows with the distance


@dataclass(frozen=True, slots=True)
class Pair:
    """The scores of one answer by two judges, with the fact it is about."""

    fact: str
    a: int
    b: int


def confusion(a: Sequence[int], b: Sequence[int]) -> NDArray[np.float64]:
    """Counts, 3 x 3: rows are the scores of `a`, columns those of `b`."""
    table = np.zeros((len(SCORES), len(SCORES)))
    np.add.at(table, (np.asarray(a, dtype=int), np.asarray(b, dtype=int)), 1)
    return table


def weighted_kappa(table: NDArray[np.float64], weighting: Weighting = "quadratic") -> float | None:
    """Cohen's weighted kappa (Cohen, 1968) of a confusion matrix: 1 is full agreement, 0 what chance would give.

    None where both judges gave one and the same score throughout, since chance then explains everything.
    """
    total = table.sum()
    if not total:
        return None
    distance = np.abs(np.subtract.outer(np.arange(len(table)), np.arange(len(table)))).astype(float)
    weights = distance**2 if weighting == "quadratic" else distance
    expected = np.outer(table.sum(1), table.sum(0)) / total
    chance = float((weights * expected).sum())
    return 1 - float((weights * table).sum()) / chance if chance else None


def kendall(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's tau-b of two score lists; None where either ties everything or fewer than two are compared."""
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    upper = np.triu_indices(len(x), 1)
    dx, dy = np.sign(np.subtract.outer(x, x)[upper]), np.sign(np.subtract.outer(y, y)[upper])
    scale = np.sqrt(float(np.abs(dx).sum()) * float(np.abs(dy).sum()))
    return float((dx * dy).sum() / scale) if scale else None


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where either ties everything."""
    x, y = _ranks(a), _ranks(b)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(
        np.asarray(values, dtype=float), return_inverse=True, return_counts=True
    )
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def agreement(pairs: Sequence[Pair], *, resamples: int, seed: int = 0) -> dict[str, Any]:
    """Weighted kappa (quadratic and linear), plain agreement, confusion matrix and n, with 95% intervals.

    Intervals are percentile bootstraps over facts, whose answers depend on each other.
    """
    tables = _tables_by_fact(pairs)
    whole = tables.sum(0)
    drawn = (
        []
        if len(tables) < 2
        else [np.tensordot(d, tables, 1) for d in draws(len(tables), resamples, seed)]
    )

    def measured(measure: Callable[[NDArray[np.float64]], float | None]) -> dict[str, Any]:
        return {
            "value": rounded(measure(whole)),
            "ci95": interval([measure(table) for table in drawn]),
        }

    return {
        "n": len(pairs),
        "facts": len(tables),
        "kappa_quadratic": measured(lambda t: weighted_kappa(t, "quadratic")),
        "kappa_linear": measured(lambda t: weighted_kappa(t, "linear")),
        "agreement": measured(lambda t: float(np.trace(t) / t.sum()) if t.sum() else None),
        "confusion": whole.astype(int).tolist(),
    }


def _tables_by_fact(pairs: Sequence[Pair]) -> NDArray[np.float64]:
    numbers = {fact: n for n, fact in enumerate(sorted({p.fact for p in pairs}))}
    tables = np.zeros((len(numbers), len(SCORES), len(SCORES)))
    for pair in pairs:
        tables[numbers[pair.fact], pair.a, pair.b] += 1
    return tables


def draws(clusters: int, resamples: int, seed: int = 0) -> NDArray[np.int64]:
    """How often each cluster is drawn in each resample, (resamples, clusters)."""
    dice = np.random.default_rng(seed)
    return dice.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def interval(values: Sequence[float | None]) -> tuple[float, float] | None:
    """The 95% percentile interval of resampled values; None where fewer than half of the resamples have a value."""
    known = [v for v in values if v is not None]
    if len(known) * 2 < len(values) or len(known) < 2:
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return round(float(low), 6), round(float(high), 6)
