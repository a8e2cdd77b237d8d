"""Draws the paper's claims: each statistic in every group of runs, beside the paper's own figure."""

from dataclasses import dataclass

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mlubench.report.labels import TITLES, label
from mlubench.statistics.claims import ClaimRow, Claims

MISSING = "–"
NOTE = (
    "Of `baselines`, the mean over methods, a claim is told; the lines below are single methods. The paper: LLaVA-v1.6-7B, "
    "one seed, no intervals, for decay and stability its task A alone."
)


@dataclass(frozen=True, slots=True)
class ClaimTable:
    """One claim as text. `head` names the columns of `lines`."""

    claim: str
    statistic: str
    head: list[str]
    lines: list[list[str]]
    # What was left out, and levels that belong beside a statistic; one line each.
    notes: list[str]


def claim_tables(claims: Claims) -> list[ClaimTable]:
    """A table for each claim that some run tells something about."""
    names = list(dict.fromkeys(row["claim"] for row in claims["rows"]))
    return [_claim_table(claims, name) for name in names]


def _claim_table(claims: Claims, name: str) -> ClaimTable:
    rows = [row for row in claims["rows"] if row["claim"] == name]
    groups = list(dict.fromkeys(row["runs"] for row in rows))
    found = {(row["runs"], row["metric"], row["method"]): row for row in rows}
    paper = {}
    for figure in claims["published"]:
        if figure["claim"] == name:
            shown = f"{figure['value']:+.2f} ({figure['table']})"
            paper[figure["metric"], figure["method"]] = shown
    lines = []
    for metric, method in dict.fromkeys((row["metric"], row["method"]) for row in rows):
        cells = [_cell(found.get((group, metric, method))) for group in groups]
        lines.append([TITLES[metric], label(method), *cells, paper.get((metric, method), MISSING)])
    # In the paper's order of metrics whatever group came first.
    lines.sort(key=lambda line: list(TITLES.values()).index(line[0]))
    notes = []
    for row in rows:
        if row["why"]:
            notes.append(
                f"{row['runs']}, {TITLES[row['metric']]}, {label(row['method'])}: {row['why']}."
            )
    head = ["Metric", "Method", *(_group_name(rows, group) for group in groups), "Paper"]
    return ClaimTable(name, rows[0]["statistic"], head, lines, notes)


def _group_name(rows: list[ClaimRow], group: str) -> str:
    row = next(row for row in rows if row["runs"] == group)
    seeds = "1 seed" if row["seeds"] == 1 else f"{row['seeds']} seeds"
    return f"{group} ({seeds}, {row['entities']} entities)"


def _cell(row: ClaimRow | None) -> str:
    if row is None:
        return MISSING
    if row["value"] is None:
        return row["outcome"]
    interval = ""
    if row["ci95"] is not None:
        interval = f" ({row['ci95'][0]:+.2f} to {row['ci95'][1]:+.2f})"
    return f"{row['value']:+.2f}{interval}: {row['outcome']}"


def render_claims(claims: Claims) -> Group:
    """The tables as rich renderables."""
    parts: list[Text | Table] = []
    for table in claim_tables(claims):
        parts.append(Text())
        parts.append(Text(table.claim, style="bold"))
        parts.append(Text(table.statistic, style="dim"))
        drawn = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
        for name in table.head:
            drawn.add_column(name)
        for line in table.lines:
            drawn.add_row(*(Text(cell) for cell in line))
        parts.append(drawn)
        parts += [Text(note, style="dim") for note in table.notes]
    parts.append(Text())
    parts += [Text(claims["rule"], style="dim"), Text(NOTE, style="dim")]
    return Group(*parts)


def claims_markdown(claims: Claims) -> str:
    """The same as Markdown, below headings of the third level."""
    lines: list[str] = []
    for table in claim_tables(claims):
        lines += [f"### {table.claim}", "", f"The {table.statistic}.", ""]
        rule = ["---"] * len(table.head)
        for row in (table.head, rule, *table.lines):
            lines.append(f"| {' | '.join(row)} |")
        lines.append("")
        lines += [f"- {note}" for note in table.notes]
        if table.notes:
            lines.append("")
    return "\n".join([*lines, claims["rule"], "", NOTE, ""])
