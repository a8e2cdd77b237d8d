"""Says by how much the best method differs from each other one, paired on the same facts."""

from mlubench.report.labels import TITLES, label
from mlubench.report.score_table import MISSING, span
from mlubench.runs.results import ComparisonRow, Results
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric

COLUMNS = ("Metric", "Difference", "Score", "95% interval", "n")
NOTE = (
    "After the last task, over all tasks' answers: the highest method minus each other one, on the samples that both "
    "answered, facts resampled. An interval that holds 0 tells no difference. All pairs and tasks are in results.json."
)


def differences(results: Results, judge: str) -> list[list[str]]:
    """Lines by COLUMNS, nothing where fewer than two methods have finished."""
    return [line for metric in METRICS for line in _lines(results, judge, metric)]


def _lines(results: Results, judge: str, metric: Metric) -> list[list[str]]:
    rows = [
        row
        for row in results.comparisons
        if (row.metric, row.task, row.judge) == (metric, "all", judge)
        and row.difference is not None
    ]
    methods = list(dict.fromkeys(name for row in rows for name in (row.a, row.b)))
    minus = {pair: row for row in rows for pair in ((row.a, row.b), (row.b, row.a))}
    for best in methods:
        against = [(other, minus.get((best, other))) for other in methods if other != best]
        if all(row is not None and _signed(row, best)[0] >= 0 for _, row in against):
            return [_line(metric, best, other, row) for other, row in against if row is not None]
    return []


def _signed(row: ComparisonRow, best: str) -> tuple[float, tuple[float, float] | None]:
    difference, interval = row.difference or 0.0, row.ci95
    if row.a == best:
        return difference, interval
    return -difference, None if interval is None else (-interval[1], -interval[0])


def _line(metric: Metric, best: str, other: str, row: ComparisonRow) -> list[str]:
    difference, interval = _signed(row, best)
    pair = f"{label(best)} − {label(other)}"
    return [TITLES[metric], pair, f"{difference:+.3f}", span(interval) or MISSING, str(row.n)]
