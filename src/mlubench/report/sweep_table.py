"""Draws a sweep's summary: in the terminal, and as a Markdown page."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mlubench.report.labels import STAND_INS, TITLES, label
from mlubench.report.score_table import STABILITY_NOTE
from mlubench.statistics.directions import DIRECTIONS_NOTE, marked

MEASURES = {"final": "Final", "cells_mean": "Mean of cells", "stability": "Stability"}
COLUMNS = (
    "Settings",
    "Method",
    "Metric",
    *(marked(title, name) for name, title in MEASURES.items()),
    "Seeds",
)


def rows_of(sweep: dict[str, Any]) -> list[list[str]]:
    """The cells of each row of sweep.json's summary, by COLUMNS. The judge is named where there are several."""
    several = len({row["judge"] for row in sweep["summary"]}) > 1
    return [
        [
            " ".join(f"{key}={_plain(value)}" for key, value in row["settings"].items()) or "-",
            label(row["method"]) + (f" ({row['judge']})" if several else ""),
            TITLES.get(row["metric"], row["metric"]),
            *(_measured(row[name], len(row["seeds"])) for name in MEASURES),
            str(len(row["seeds"])),
        ]
        for row in sweep["summary"]
    ]


def notes_of(sweep: dict[str, Any]) -> list[str]:
    """What a reader must know beside the table."""
    states = [run["state"] for run in sweep["runs"]]
    lacking = len(states) - states.count("finished")
    notes = (
        [f"{lacking} of {len(states)} runs are not finished and not in the table."]
        if lacking
        else []
    )
    if sweep["stand_ins"]:
        notes.append(STAND_INS)
    if any(row[name]["ci95"] for row in sweep["summary"] for name in MEASURES):
        notes.append("In brackets: 95% interval of the mean over seeds (Student's t).")
    if any(len(row["seeds"]) == 1 for row in sweep["summary"]):
        notes.append("One seed says nothing of the spread over seeds, so it has no interval.")
    return [*notes, DIRECTIONS_NOTE, STABILITY_NOTE]


def render_sweep(sweep: dict[str, Any]) -> Group:
    """sweep.json as rich renderables."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if index < 3 else "right", overflow="fold")
    for row in rows_of(sweep):
        table.add_row(*map(Text, row))
    return Group(table, *(Text(note, style="dim") for note in notes_of(sweep)))


def sweep_markdown(sweep: dict[str, Any]) -> str:
    """sweep.json as a page in Markdown: table, notes, and every run with its state."""
    lines = [f"# Sweep of `{sweep['file']}`", "", *_markdown_table(COLUMNS, rows_of(sweep)), ""]
    lines += [f"- {note}" for note in notes_of(sweep)]
    runs = [[run["name"], run["state"], run.get("error", "")] for run in sweep["runs"]]
    return "\n".join(
        [*lines, "", "## Runs", "", *_markdown_table(("Folder", "State", "Error"), runs), ""]
    )


def _markdown_table(columns: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [
        "| " + " | ".join(row) + " |" for row in [list(columns), ["---"] * len(columns), *escaped]
    ]


def _measured(measure: dict[str, Any], seeds: int) -> str:
    if measure["mean"] is None:
        return "-"
    text = f"{measure['mean']:.3f}"
    if measure["ci95"]:
        low, high = measure["ci95"]
        text += f" ({low:.2f}–{high:.2f})"
    return text if measure["n"] == seeds else f"{text} n={measure['n']}"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return str(value)
