"""Cells, stability and intervals: arithmetic on verdicts. No torch, no files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlubench.types import Cell, Metric

FULL = 2  # the highest score of one verdict
METRICS: tuple[Metric, Metric] = ("forget_quality", "utility")
# Everything measured that has a good and a bad side, by its key in results.json; stated here and nowhere else. What is good
# on one half of the samples and bad on the other is "KEY/METRIC".
BETTER: Mapping[str, Literal["higher", "lower"]] = {
    "forget_quality": "higher",
    "utility": "higher",
    "final": "higher",
    "cells_mean": "higher",
    "stability": "lower",
    "leak_rate": "lower",
    "over_refusal_rate": "lower",
    "wrong_expert_rate": "lower",
    "unseen_refusal_rate": "lower",
    "auroc": "higher",
    "fpr95": "lower",
    "latency_ms_p50": "lower",
    "train_seconds": "lower",
    "peak_memory_bytes": "lower",
    "kappa_quadratic": "higher",
    "kappa_linear": "higher",
    "agreement": "higher",
    "rouge_l/forget_quality": "lower",
    "rouge_l/utility": "higher",
    "truth_probability/forget_quality": "lower",
    "truth_probability/utility": "higher",
}
DIRECTIONS_NOTE = "↑ higher is better, ↓ lower is better."


def marked(title: str, measure: str) -> str:
    """A heading with the arrow of what it measures: "Stability↓"."""
    return title + ("↑" if BETTER[measure] == "higher" else "↓")


def both_sides(measure: str, metric: Metric) -> str:
    """The key of what is good on one half of the samples and bad on the other."""
    return f"{measure}/{metric}"


@dataclass(frozen=True, slots=True)
class Scored:
    """One verdict with what it is grouped by. `score` is 0, 1, 2 or None for unscored."""

    fact: str
    score: int | None
    groups: dict[str, str]


def score_of(rows: Sequence[Scored], *, resamples: int, seed: int = 0) -> dict[str, Any]:
    """Score (0-1), its 95% interval, n and unscored. The resampled unit is the fact, whose samples depend on each other.

    Score and interval are None when nothing was scored. The interval is a percentile bootstrap.
    """
    scored = [r for r in rows if r.score is not None]
    facts = {fact: n for n, fact in enumerate(sorted({r.fact for r in scored}))}
    totals = np.zeros((len(facts), 2))
    for row in scored:
        totals[facts[row.fact]] += (row.score or 0, FULL)
    result: dict[str, Any] = {
        "score": None,
        "ci95": None,
        "n": len(scored),
        "unscored": len(rows) - len(scored),
    }
    if facts:
        dice = np.random.default_rng(seed)
        counts = dice.multinomial(len(facts), np.full(len(facts), 1 / len(facts)), size=resamples)
        sums = counts @ totals
        low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
        result["score"] = round(float(totals[:, 0].sum() / totals[:, 1].sum()), 6)
        result["ci95"] = (round(float(low), 6), round(float(high), 6))
    return result


def breakdowns(
    rows: Sequence[Scored], by: Iterable[str], *, resamples: int
) -> list[dict[str, Any]]:
    """`score_of` each value of each grouping in `by`."""
    found = []
    for grouping in by:
        for value in sorted({r.groups[grouping] for r in rows}):
            part = [r for r in rows if r.groups[grouping] == value]
            found.append({"by": grouping, "value": value, **score_of(part, resamples=resamples)})
    return found


def paired_difference(
    a: Sequence[Scored], b: Sequence[Scored], *, resamples: int
) -> dict[str, Any]:
    """Score of `a` minus score of `b` (-1 to 1) on the same samples in the same order, its 95% interval, and n.

    Both must have scored a sample for it to count. What is resampled is the fact, with both its scores, so what makes a
    fact easy or hard for both falls out of the difference.
    """
    pairs = [
        (x, y) for x, y in zip(a, b, strict=True) if x.score is not None and y.score is not None
    ]
    values = [((x.score or 0) - (y.score or 0)) / FULL for x, y in pairs]
    found = clustered_mean(values, [x.fact for x, _ in pairs], resamples=resamples)
    difference, ci95 = found or (None, None)
    return {"difference": difference, "ci95": ci95, "n": len(pairs)}


def stability(cells: Sequence[Cell], order: Sequence[str], metric: Metric) -> float | None:
    """Sum over tasks of |P(M_t, t) - P(M_T, t)|, the lifelong objective; lower is better. None when a score is missing.

    A model that died at the first task is perfectly stable: read it together with the level.
    """
    table = {(c.task, c.after): c.score for c in cells if c.metric == metric}
    pairs = [(table.get((t, t)), table.get((t, order[-1]))) for t in order]
    if any(a is None or b is None for a, b in pairs):
        return None
    return round(sum(abs(a - b) for a, b in pairs if a is not None and b is not None), 6)


def final_level(cells: Sequence[Cell], order: Sequence[str], metric: Metric) -> float | None:
    """Mean over tasks of the score after the last task. None when a score is missing."""
    last = [
        c.score for c in cells if c.metric == metric and c.after == order[-1] and c.task in order
    ]
    known = [s for s in last if s is not None]
    return round(float(np.mean(known)), 6) if len(known) == len(order) else None


def wilson(hits: int, n: int) -> tuple[float, float] | None:
    """95% Wilson interval of a rate, which stays sensible at 0 of n. None for n = 0."""
    if not n:
        return None
    z = 1.959964
    rate, square = hits / n, z * z / n
    middle, half = (
        (rate + square / 2) / (1 + square),
        z * np.sqrt(rate * (1 - rate) / n + square / (4 * n)) / (1 + square),
    )
    return round(float(max(0.0, middle - half)), 6), round(float(min(1.0, middle + half)), 6)


# 97.5% points of Student's t by degrees of freedom, from 1 on.
_STUDENT = (
    12.7062,
    4.3027,
    3.1824,
    2.7764,
    2.5706,
    2.4469,
    2.3646,
    2.306,
    2.2622,
    2.2281,
    2.201,
    2.1788,
    2.1604,
    2.1448,
)


def clustered_mean(
    values: Sequence[float], clusters: Sequence[str], *, resamples: int, seed: int = 0
) -> tuple[float, tuple[float, float]] | None:
    """Mean and its 95% percentile bootstrap, which resamples whole clusters. None without values.

    A difference of two conditions is paired when each value is the difference on one sample.
    """
    if not len(values):
        return None
    numbers = {cluster: n for n, cluster in enumerate(sorted(set(clusters)))}
    totals = np.zeros((len(numbers), 2))
    for value, cluster in zip(values, clusters, strict=True):
        totals[numbers[cluster]] += (value, 1)
    dice = np.random.default_rng(seed)
    counts = dice.multinomial(len(totals), np.full(len(totals), 1 / len(totals)), size=resamples)
    sums = counts @ totals
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    return round(float(np.mean(values)), 6), (round(float(low), 6), round(float(high), 6))


def over_seeds(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Mean over runs that differ in their seed alone, and its 95% t-interval; no interval for a single run (or over 15)."""
    mean, runs = float(np.mean(values)), len(values)
    if not 2 <= runs <= len(_STUDENT) + 1:
        return round(mean, 6), None
    half = _STUDENT[runs - 2] * float(np.std(values, ddof=1)) / runs**0.5
    return round(mean, 6), (round(mean - half, 6), round(mean + half, 6))
