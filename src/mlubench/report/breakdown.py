"""Splits the last archive's scores by phrasing and by class, which one mean over a task would hide."""

from dataclasses import dataclass

from mlubench.report.labels import TITLES, label
from mlubench.report.score_table import ShownNumber, number
from mlubench.runs.results import BreakdownRow, Results
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric


@dataclass(frozen=True, slots=True)
class Split:
    """One table: a row per value (such as `unseen` or a class), a column per method at its last archive."""

    title: str
    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[ShownNumber]]]


def splits(results: Results, judge: str, by: str) -> list[Split]:
    """The tables of grouping `by`, one per metric that the run broke down that way."""
    found = (_split(results, judge, by, metric) for metric in METRICS)
    return [split for split in found if split.rows]


def _split(results: Results, judge: str, by: str, metric: Metric) -> Split:
    last = {method: results.last_archive(method) for method in results.methods}
    cells: dict[tuple[str, str], list[BreakdownRow]] = {}
    for row in results.breakdowns:
        wanted = (row.by, row.metric) == (by, metric) and row.judge in (judge, "")
        if wanted and row.after == last.get(row.method):
            cells.setdefault((row.value, row.method), []).append(row)
    values = sorted({value for value, _ in cells})
    methods = [
        method for method in results.methods if any((value, method) in cells for value in values)
    ]
    rows = [
        (value, [ShownNumber(number(_pooled(cells.get((value, m), [])))) for m in methods])
        for value in values
    ]
    return Split(TITLES[metric], [(label(m), f"U{last[m]}") for m in methods], rows)


def _pooled(cells: list[BreakdownRow]) -> float | None:
    """The score over all tasks' answers together: each task weighs as much as it has scored answers."""
    known = [(cell.score, cell.n) for cell in cells if cell.score is not None and cell.n > 0]
    total = sum(n for _, n in known)
    return sum(score * n for score, n in known) / total if total else None
