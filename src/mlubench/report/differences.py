"""Says by how much the best method differs from each other one, paired on the same facts."""

from mlubench.report.labels import TITLES, label
from mlubench.report.liveness import dead_archives
from mlubench.report.score_table import MISSING, span
from mlubench.runs.results import ComparisonRow, Results
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric

COLUMNS = ("Metric", "Difference", "Score", "95% interval", "n")
NOTE = (
    "After the last task, over all tasks' answers: the highest living method minus each other one, on the samples that "
    "both answered, facts resampled; then LUMoE minus each reference. An interval that holds 0 tells no "
    "difference. All pairs and tasks are in results.json."
)


def differences(results: Results, judge: str) -> list[list[str]]:
    """Lines by COLUMNS, nothing where there are no two methods or references to compare."""
    lines = []
    for metric in METRICS:
        lines += _lines(results, judge, metric)
        lines += _from_references(results, judge, metric)
    return lines


def _from_references(results: Results, judge: str, metric: Metric) -> list[list[str]]:
    """LUMoE minus each reference: what its experts add to its gate, and all of it to a prompt."""
    lines = []
    for row in results.reference_comparisons:
        wanted = (row.metric, row.task, row.judge) == (metric, "all", judge)
        if wanted and row.difference is not None:
            lines.append(_line(metric, row.a, row.b, row))
    return lines


def _lines(results: Results, judge: str, metric: Metric) -> list[list[str]]:
    rows = [
        row
        for row in results.comparisons
        if (row.metric, row.task, row.judge) == (metric, "all", judge)
        and row.difference is not None
    ]
    # A pair of methods stands in one row; it is looked up from either side.
    by_pair = {}
    for row in rows:
        by_pair[row.a, row.b] = row
        by_pair[row.b, row.a] = row
    methods = list(dict.fromkeys(a for a, _ in by_pair))
    dead = dead_archives(results, judge)
    living = [method for method in methods if (method, results.last_archive(method)) not in dead]
    for best in living:
        against = {other: by_pair.get((best, other)) for other in methods if other != best}
        rivals = [row for other, row in against.items() if other in living]
        lead = [row is not None and _signed(row, best)[0] >= 0 for row in rivals]
        if all(lead):
            return [_line(metric, best, other, row) for other, row in against.items() if row]
    return []


def _signed(row: ComparisonRow, best: str) -> tuple[float, tuple[float, float] | None]:
    """The difference and its interval as seen from `best`: a row holds them as seen from its `a`."""
    difference = row.difference or 0.0
    if row.a == best:
        return difference, row.ci95
    if row.ci95 is None:
        return -difference, None
    low, high = row.ci95
    return -difference, (-high, -low)


def _line(metric: Metric, best: str, other: str, row: ComparisonRow) -> list[str]:
    difference, interval = _signed(row, best)
    pair = f"{label(best)} − {label(other)}"
    return [TITLES[metric], pair, f"{difference:+.3f}", span(interval) or MISSING, str(row.n)]
