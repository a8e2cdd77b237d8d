"""Draws a sweep's summary: in the terminal, and as a Markdown page."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mlubench.report.labels import PUBLISHED_PROTOCOL, STAND_INS, TITLES, label
from mlubench.report.score_table import STABILITY_NOTE
from mlubench.runs.sweeps import SeedsMeasure, Sweep, SweepSummaryRow
from mlubench.statistics.directions import DIRECTIONS_NOTE, marked

MEASURES = {"final": "Final", "cells_mean": "Mean of cells", "stability": "Stability"}
COLUMNS = (
    "Settings",
    "Method",
    "Metric",
    *(marked(title, name) for name, title in MEASURES.items()),
    "Seeds",
)


def rows_of(sweep: Sweep) -> list[list[str]]:
    """The cells of each row of sweep.json's summary, by COLUMNS. The judge is named where there are several."""
    judges = {row["judge"] for row in sweep["summary"]}
    rows = []
    for row in sweep["summary"]:
        settings = [f"{key}={_setting(value)}" for key, value in row["settings"].items()]
        method = label(row["method"])
        if len(judges) > 1:
            method += f" ({row['judge']})"
        seeds = len(row["seeds"])
        measures = [_measured(measure, seeds) for measure in _measures(row)]
        title = TITLES.get(row["metric"], row["metric"])
        rows.append([" ".join(settings) or "-", method, title, *measures, str(seeds)])
    return rows


def notes_of(sweep: Sweep) -> list[str]:
    """What a reader must know beside the table."""
    notes = []
    states = [run["state"] for run in sweep["runs"]]
    unfinished = len(states) - states.count("finished")
    if unfinished:
        notes.append(f"{unfinished} of {len(states)} runs are not finished and not in the table.")
    if sweep.get("published_protocol"):
        notes.append(PUBLISHED_PROTOCOL)
    if sweep["stand_ins"]:
        notes.append(STAND_INS)
    measures = [measure for row in sweep["summary"] for measure in _measures(row)]
    if any(measure["ci95"] for measure in measures):
        notes.append("In brackets: 95% interval of the mean over seeds (Student's t).")
    if any(len(row["seeds"]) == 1 for row in sweep["summary"]):
        notes.append("One seed says nothing of the spread over seeds, so it has no interval.")
    return [*notes, DIRECTIONS_NOTE, STABILITY_NOTE]


def render_sweep(sweep: Sweep) -> Group:
    """sweep.json as rich renderables."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(COLUMNS):
        # Settings, method and metric are words; the rest are numbers.
        table.add_column(name, justify="left" if index < 3 else "right", overflow="fold")
    for row in rows_of(sweep):
        table.add_row(*map(Text, row))
    return Group(table, *(Text(note, style="dim") for note in notes_of(sweep)))


def sweep_markdown(sweep: Sweep) -> str:
    """sweep.json as a page in Markdown: table, notes, and every run with its state."""
    notes = [f"- {note}" for note in notes_of(sweep)]
    # Only a run that failed has an error.
    runs = [[run["name"], run["state"], run.get("error", "")] for run in sweep["runs"]]
    lines = [
        f"# Sweep of `{sweep['file']}`",
        "",
        *_markdown_table(COLUMNS, rows_of(sweep)),
        "",
        *notes,
        "",
        "## Runs",
        "",
        *_markdown_table(("Folder", "State", "Error"), runs),
        "",
    ]
    return "\n".join(lines)


def _markdown_table(columns: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    lines = [_markdown_row(columns), _markdown_row(["---"] * len(columns))]
    for row in rows:
        # A bar or a new line in a cell would end it.
        escaped = [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        lines.append(_markdown_row(escaped))
    return lines


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _measures(row: SweepSummaryRow) -> list[SeedsMeasure]:
    """In the order of MEASURES."""
    return [row["final"], row["cells_mean"], row["stability"]]


def _measured(measure: SeedsMeasure, seeds: int) -> str:
    """The mean over seeds with its interval, and the number of seeds where some have no value."""
    if measure["mean"] is None:
        return "-"
    text = f"{measure['mean']:.3f}"
    if measure["ci95"]:
        low, high = measure["ci95"]
        text += f" ({low:.2f}–{high:.2f})"
    if measure["n"] != seeds:
        text += f" n={measure['n']}"
    return text


def _setting(value: Any) -> str:
    """A setting as a YAML file spells it: the words of a list stand without quotes."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_setting, value)) + "]"
    return str(value)
