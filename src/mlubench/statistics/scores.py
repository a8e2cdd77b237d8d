"""Scores and stability: arithmetic on verdicts. No torch, no files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from mlubench.statistics.bootstrap import Interval, ratio_interval
from mlubench.statistics.intervals import clustered_mean
from mlubench.types import Cell, Metric

FULL = 2  # the highest score of one verdict
METRICS: tuple[Metric, Metric] = ("forget_quality", "utility")


@dataclass(frozen=True, slots=True)
class Scored:
    """One verdict with what it is grouped by."""

    # The fact that the sample asks for: the unit that a bootstrap draws.
    fact: str
    # 0, 1 or 2; None for unscored.
    score: int | None
    # The value of each grouping, as {"class": "Animal"}.
    groups: dict[str, str]


class Score(TypedDict):
    """A score as it stands in results.json. `score` (0-1) and `ci95` are None when nothing was scored."""

    score: float | None
    ci95: Interval | None
    n: int
    unscored: int


class GroupScore(Score):
    """The score of one value of one grouping."""

    by: str
    value: str


class Difference(TypedDict):
    """A paired difference of two scores (-1 to 1) over `n` samples. None when no sample was scored by both."""

    difference: float | None
    ci95: Interval | None
    n: int


def score_of(rows: Sequence[Scored], *, resamples: int, seed: int = 0) -> Score:
    """Sum of the scores over the highest possible sum, with a bootstrap over facts.

    Unscored rows count in `unscored` alone.
    """
    scores = []
    facts = []
    for row in rows:
        if row.score is not None:
            scores.append(row.score)
            facts.append(row.fact)
    unscored = len(rows) - len(scores)
    if not scores:
        return {"score": None, "ci95": None, "n": 0, "unscored": unscored}
    full = [FULL] * len(scores)
    return {
        "score": round(sum(scores) / sum(full), 6),
        "ci95": ratio_interval(scores, full, facts, resamples=resamples, seed=seed),
        "n": len(scores),
        "unscored": unscored,
    }


def breakdowns(rows: Sequence[Scored], by: Iterable[str], *, resamples: int) -> list[GroupScore]:
    """`score_of` each value of each grouping in `by`. A row that is not grouped that way is in no part of it."""
    found: list[GroupScore] = []
    for grouping in by:
        values = {row.groups[grouping] for row in rows if grouping in row.groups}
        for value in sorted(values):
            part = [row for row in rows if row.groups.get(grouping) == value]
            found.append({"by": grouping, "value": value, **score_of(part, resamples=resamples)})
    return found


def paired_difference(a: Sequence[Scored], b: Sequence[Scored], *, resamples: int) -> Difference:
    """Score of `a` minus score of `b` on the same samples in the same order.

    Both must have scored a sample for it to count. What is resampled is the fact, with both its scores, so what makes a
    fact easy or hard for both falls out of the difference.
    """
    values = []
    facts = []
    for x, y in zip(a, b, strict=True):
        if x.score is not None and y.score is not None:
            values.append((x.score - y.score) / FULL)
            facts.append(x.fact)
    found = clustered_mean(values, facts, resamples=resamples)
    if found is None:
        return {"difference": None, "ci95": None, "n": 0}
    difference, ci95 = found
    return {"difference": difference, "ci95": ci95, "n": len(values)}


def stability(cells: Sequence[Cell], order: Sequence[str], metric: Metric) -> float | None:
    """Sum over tasks of |P(M_t, t) - P(M_T, t)|, the lifelong objective; lower is better. None when a score is missing.

    A model that died at the first task is perfectly stable: read it together with the level.
    """
    scores = {(cell.task, cell.after): cell.score for cell in cells if cell.metric == metric}
    total = 0.0
    for task in order:
        first = scores.get((task, task))
        last = scores.get((task, order[-1]))
        if first is None or last is None:
            return None
        total += abs(first - last)
    return round(total, 6)


def final_level(cells: Sequence[Cell], order: Sequence[str], metric: Metric) -> float | None:
    """Mean over tasks of the score after the last task. None when a score is missing."""
    last = order[-1]
    known = []
    for cell in cells:
        is_final = cell.metric == metric and cell.after == last and cell.task in order
        if is_final and cell.score is not None:
            known.append(cell.score)
    if len(known) != len(order):
        return None
    return round(float(np.mean(known)), 6)
