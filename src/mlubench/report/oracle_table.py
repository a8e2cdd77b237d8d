"""The text of the tables of exact unlearning: how far each system is from it, and which metrics rank by that."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlubench.report.labels import label
from mlubench.report.score_table import MISSING
from mlubench.runs.oracles import CorrelationRow, DistanceRow, OracleReport

TITLE = "Beside exact unlearning: a base that never learned what was to be forgotten"
COLUMNS = [
    "System",
    "Same kind, forgotten",
    "Refuses (oracle)",
    "Tells (oracle)",
    "KL, forgotten",
    "Same kind, kept",
    "KL, kept",
    "Same kind, strangers",
]
NOTE = (
    "After the last task. Same kind: the share of answers that are, as the oracle's to the same question, a refusal, the "
    "truth, gibberish or anything else. KL: of the oracle's words under the oracle from those under the system, in nats a "
    "token, where the system's own words are most of its answers. Another seed's oracle says how far exact unlearning is "
    "from itself."
)
RANKS_TITLE = "Do the field's metrics rank systems as their closeness to the oracle does?"
RANKS_NOTE = (
    "Spearman's rank correlation over systems and steps, with a 95% interval that resamples systems: 1 the metric ranks as "
    "the oracle does, 0 it tells nothing, -1 it ranks the other way round."
)


def distance_lines(report: OracleReport) -> list[list[str]]:
    """A line for each system after the last task, by COLUMNS."""
    last = next(reversed(report.oracles), "")
    rows: dict[str, dict[str, DistanceRow]] = {}
    for row in report.distances:
        if row.after == last:
            rows.setdefault(row.system, {})[row.about] = row
    lines = []
    for system, of_system in rows.items():
        forgotten = of_system.get("forgotten")
        kept = of_system.get("kept")
        stranger = of_system.get("stranger")
        line = [
            label(system),
            _number(forgotten, "same_kind"),
            _with_oracle(forgotten, "refusals"),
            _with_oracle(forgotten, "truths"),
            _number(forgotten, "kl_of_most"),
            _number(kept, "same_kind"),
            _number(kept, "kl_of_most"),
            _number(stranger, "same_kind"),
        ]
        lines.append(line)
    return lines


def rank_columns(correlations: Sequence[CorrelationRow]) -> list[str]:
    """Metric, which of its values count as better, and each closeness."""
    return ["Metric", "Better", *dict.fromkeys(row.closeness for row in correlations)]


def rank_lines(correlations: Sequence[CorrelationRow]) -> list[list[str]]:
    """A line for each metric, by `rank_columns`."""
    by_metric: dict[str, list[CorrelationRow]] = {}
    for row in correlations:
        by_metric.setdefault(row.metric, []).append(row)
    lines = []
    for metric, rows in by_metric.items():
        lines.append([metric, rows[0].better, *(_correlation(row) for row in rows)])
    return lines


def render_oracle(report: OracleReport) -> Group:
    """The tables as they are drawn in the terminal."""
    parts: list[RenderableType] = [
        Text(TITLE, style="bold"),
        _table(COLUMNS, distance_lines(report)),
        Text(NOTE, style="dim"),
        Text(),
        Text(RANKS_TITLE, style="bold"),
        _table(rank_columns(report.correlations), rank_lines(report.correlations)),
        Text(RANKS_NOTE, style="dim"),
    ]
    return Group(*parts)


def _number(row: DistanceRow | None, figure: str) -> str:
    value = None if row is None else getattr(row, figure)
    return MISSING if value is None else f"{value:.2f}"


def _with_oracle(row: DistanceRow | None, share: str) -> str:
    """A share of the system's answers, and the oracle's in brackets."""
    if row is None:
        return MISSING
    return f"{getattr(row, share):.2f} ({getattr(row, f'{share}_of_oracle'):.2f})"


def _correlation(row: CorrelationRow) -> str:
    if row.spearman is None:
        return MISSING
    if row.spearman_ci95 is None:
        return f"{row.spearman:+.2f}"
    low, high = row.spearman_ci95
    return f"{row.spearman:+.2f} ({low:+.2f} to {high:+.2f})"


def _table(columns: Sequence[str], lines: Sequence[list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(columns):
        table.add_column(Text(name), justify="right" if index else "left", overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    return table
