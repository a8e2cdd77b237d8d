"""How far two judges agree, answer by answer and in how they rank methods: arithmetic only, no files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from mlubench.statistics.bootstrap import (
    Interval,
    draw_clusters,
    number_clusters,
    percentile_interval,
)

SCORES = (0, 1, 2)
# Counts, (3, 3): rows are the scores of one judge, columns those of the other.
Table = NDArray[np.float64]
# How a disagreement grows with the distance between two scores.
Weighting = Literal["linear", "quadratic"]


@dataclass(frozen=True, slots=True)
class Pair:
    """The scores of one answer by two judges, with the fact it is about."""

    fact: str
    a: int
    b: int


class Measured(TypedDict):
    """A measure (-1 to 1) with its 95% interval. None where it is not defined, as kappa where all scores are equal."""

    value: float | None
    ci95: Interval | None


class Agreement(TypedDict):
    """How far two judges agree on `n` answers about `facts` facts."""

    n: int
    facts: int
    kappa_quadratic: Measured
    kappa_linear: Measured
    # The share of answers with the same score.
    agreement: Measured
    confusion: list[list[int]]


def weighted_kappa(table: Table, weighting: Weighting = "quadratic") -> float | None:
    """Cohen's weighted kappa (Cohen, 1968) of a confusion matrix: 1 is full agreement, 0 what chance would give.

    None where both judges gave one and the same score throughout, since chance then explains everything.
    """
    # scikit-learn has it of lists of labels; a bootstrap has thousands of tables.
    total = table.sum()
    if not total:
        return None
    scores = np.arange(len(table))
    distance = np.abs(np.subtract.outer(scores, scores)).astype(float)
    weights = distance**2 if weighting == "quadratic" else distance
    expected = np.outer(table.sum(1), table.sum(0)) / total
    by_chance = float((weights * expected).sum())
    if not by_chance:
        return None
    return 1 - float((weights * table).sum()) / by_chance


def kendall(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's tau-b of two score lists; None where either ties everything or fewer than two are compared."""
    if _ties_everything(a) or _ties_everything(b):
        return None
    from scipy.stats import kendalltau  # takes half a second to import

    return float(kendalltau(a, b).statistic)


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where either ties everything."""
    if _ties_everything(a) or _ties_everything(b):
        return None
    from scipy.stats import spearmanr  # takes half a second to import

    return float(spearmanr(a, b).statistic)


def _ties_everything(values: Sequence[float]) -> bool:
    """Whether there is no rank to compare. scipy would warn, and answer with nan."""
    return len(values) < 2 or min(values) == max(values)


def agreement(pairs: Sequence[Pair], *, resamples: int, seed: int = 0) -> Agreement:
    """Weighted kappa (quadratic and linear), plain agreement, confusion matrix and n, with 95% intervals.

    Intervals are percentile bootstraps over facts, whose answers depend on each other. One fact has no interval.
    """
    tables = _table_of_each_fact(pairs)  # (facts, 3, 3)
    whole = tables.sum(0)
    resampled: list[Table] = []
    if len(tables) > 1:
        for counts in draw_clusters(len(tables), resamples, np.random.default_rng(seed)):
            resampled.append(np.tensordot(counts, tables, 1))

    def measured(measure: Callable[[Table], float | None]) -> Measured:
        return {
            "value": rounded(measure(whole)),
            "ci95": percentile_interval([measure(table) for table in resampled]),
        }

    return {
        "n": len(pairs),
        "facts": len(tables),
        "kappa_quadratic": measured(lambda table: weighted_kappa(table, "quadratic")),
        "kappa_linear": measured(lambda table: weighted_kappa(table, "linear")),
        "agreement": measured(_share_of_equal_scores),
        "confusion": whole.astype(int).tolist(),
    }


def _share_of_equal_scores(table: Table) -> float | None:
    total = table.sum()
    if not total:
        return None
    return float(np.trace(table) / total)


def _table_of_each_fact(pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """The confusion matrix of each fact, by sorted name. (facts, 3, 3)"""
    numbers, facts = number_clusters([pair.fact for pair in pairs])
    tables = np.zeros((facts, len(SCORES), len(SCORES)))
    for number, pair in zip(numbers, pairs, strict=True):
        tables[number, pair.a, pair.b] += 1
    return tables


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
