"""Splits the last archive's scores by phrasing and by class, which one mean over a task would hide."""

from dataclasses import dataclass

from mlubench.report import liveness
from mlubench.report.labels import TITLES, label
from mlubench.report.score_table import ShownNumber, number
from mlubench.runs.results import BreakdownRow, Results
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric


@dataclass(frozen=True, slots=True)
class Split:
    """One table of one metric: a row per value, a column per method at its last archive."""

    title: str
    # Each method's name, and the step of its last archive, such as "U3", or "U3†" where that is dead.
    columns: list[tuple[str, str]]
    # Each value, such as `unseen` or a class, with one number per column.
    rows: list[tuple[str, list[ShownNumber]]]


def splits(results: Results, judge: str, by: str) -> list[Split]:
    """The tables of grouping `by`, one per metric that the run broke down that way."""
    found = []
    for metric in METRICS:
        split = _split(results, judge, by, metric)
        if split.rows:
            found.append(split)
    return found


def _split(results: Results, judge: str, by: str, metric: Metric) -> Split:
    last = {method: results.last_archive(method) for method in results.methods}
    # By value and method: one breakdown row per task.
    cells: dict[tuple[str, str], list[BreakdownRow]] = {}
    for breakdown in results.breakdowns:
        if breakdown.by != by or breakdown.metric != metric:
            continue
        # Scores that need no judge name none, and stand beside every judge's.
        if breakdown.judge not in (judge, ""):
            continue
        if breakdown.after == last.get(breakdown.method):
            cells.setdefault((breakdown.value, breakdown.method), []).append(breakdown)

    values = sorted({value for value, _ in cells})
    shown_methods = {method for _, method in cells}
    # In the order of the other tables, so that columns can be compared across them.
    methods = [method for method in results.methods if method in shown_methods]
    dead = liveness.dead_archives(results, judge)
    columns = []
    for method in methods:
        mark = liveness.MARK if (method, last[method]) in dead else ""
        columns.append((label(method), f"U{last[method]}{mark}"))
    rows = []
    for value in values:
        scores = [_pooled_score(cells.get((value, method), [])) for method in methods]
        rows.append((value, [ShownNumber(number(score)) for score in scores]))
    return Split(TITLES[metric], columns, rows)


def _pooled_score(cells: list[BreakdownRow]) -> float | None:
    """The score over all tasks' answers together: each task weighs as much as it has scored answers."""
    answers = 0
    weighted_scores = []
    for cell in cells:
        if cell.score is not None and cell.n > 0:
            answers += cell.n
            weighted_scores.append(cell.score * cell.n)
    return sum(weighted_scores) / answers if answers else None
