"""The text of the table of lmms-eval's scores, which terminal and page share: a line for each metric of each task."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mlubench.report.labels import label
from mlubench.report.score_table import MISSING
from mlubench.runs.audits import Audit, LmmsEvalRow

TITLE = "General benchmarks, by lmms-eval"
NOTE = (
    "Each figure is the task's own score in its own unit, and in brackets its difference from the base's. "
    "No answer: questions that the server could not answer, over all systems; lmms-eval scores them as wrong answers."
)


def columns(audit: Audit) -> list[str]:
    """The heads of the table."""
    return ["Task", "Metric", *map(label, _systems(audit)), "n", "No answer"]


def lines(audit: Audit) -> list[list[str]]:
    """A line for each metric of each task, by `columns`."""
    by_metric: dict[tuple[str, str], dict[str, LmmsEvalRow]] = {}
    for row in audit.lmms_eval:
        by_metric.setdefault((row.task, row.metric), {})[row.system] = row
    found = []
    for (task, metric), rows in by_metric.items():
        cells = [_cell(rows.get(system)) for system in _systems(audit)]
        counts = {row.n for row in rows.values() if row.n is not None}
        questions = str(max(counts)) if counts else MISSING
        failed = sum(row.failed for row in rows.values())
        found.append([task, metric, *cells, questions, str(failed)])
    return found


def _systems(audit: Audit) -> Sequence[str]:
    return list(dict.fromkeys(row.system for row in audit.lmms_eval))


def _cell(row: LmmsEvalRow | None) -> str:
    if row is None:
        return MISSING
    if row.difference is None:
        return f"{row.score:.3f}"
    return f"{row.score:.3f} ({row.difference:+.3f})"


def render_lmms_eval(audit: Audit) -> Group:
    """The table as it is drawn in the terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(columns(audit)):
        table.add_column(Text(name), justify="left" if index < 2 else "right", overflow="fold")
    for line in lines(audit):
        table.add_row(*map(Text, line))
    return Group(Text(TITLE, style="bold"), table, Text(NOTE, style="dim"))
