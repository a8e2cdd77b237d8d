"""Draws a run's scores in the terminal, in the form of the paper's main table."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlubench.report.differences import COLUMNS, NOTE, differences
from mlubench.report.labels import MEANINGS, STAND_INS, TITLES
from mlubench.report.reference_metrics import TITLE, reference_metrics
from mlubench.report.score_table import (
    FINAL,
    GATE_COLUMNS,
    GATE_NOTE,
    STABILITY,
    STABILITY_NOTE,
    ScoreRow,
    ScoreTable,
    ShownNumber,
    gate_cells,
    run_line,
    score_tables,
    unscored_warning,
)
from mlubench.runs.results import Results
from mlubench.statistics.directions import DIRECTIONS_NOTE

WIDTH = 120
NAME_WIDTH = 16
# A column of "0.000" with its padding, the two columns that close the table, and "Unscored".
_CELL, _TAIL, _UNSCORED = 7, 8 + 12, 10


def render_table(results: Results, width: int = WIDTH) -> Group:
    """The run as rich renderables of at most `width` columns: a table per metric and judge, then the gates.

    Where the cells are too many for the width, they go on in a second table below.    The results may be partial.
    """
    return Group(*_parts(results, width))


def _parts(results: Results, width: int) -> Iterator[RenderableType]:
    yield Text(run_line(results), style="bold")
    if results.run.stand_ins:
        yield Text(STAND_INS, style="yellow")
    if warning := unscored_warning(results):
        yield Text(f"Warning: {warning}", style="bold red")
    yield Text(
        f"X-UY: task X tested after unlearning up to Y. Bold: the best of a column. {DIRECTIONS_NOTE}",
        style="dim",
    )
    for scores in score_tables(results):
        yield Text()
        yield _heading(scores, several=len(results.judges) > 1)
        if not results.methods:
            yield Text("No scores yet: the run has not tested any archived model.")
        yield from _score_tables(scores, width)
        if scores.legend:
            yield Text(scores.legend, style="dim")
    yield Text(STABILITY_NOTE, style="dim")
    yield from _reference_metrics(results)
    for judge in results.judges:
        yield from _differences(results, judge)
    if results.gates:
        yield from _gates(results)


def _heading(scores: ScoreTable, *, several: bool) -> Text:
    judged = f", judge {scores.judge}" if several or scores.judge else ""
    return Text.assemble((TITLES[scores.metric], "bold"), f" ({MEANINGS[scores.metric]}{judged})")


def _blocks(columns: list[str], room: int) -> Iterator[slice]:
    """Runs of columns that fit into `room`."""
    start, used = 0, 0
    for index, name in enumerate(columns):
        wide = max(_CELL, len(name) + 2)
        if used + wide > room and index > start:
            yield slice(start, index)
            start, used = index, 0
        used += wide
    yield slice(start, len(columns))


def _score_tables(scores: ScoreTable, width: int) -> Iterator[Table]:
    room = width - NAME_WIDTH - 2 - _TAIL - (_UNSCORED if scores.unscored else 0)
    for block in _blocks(scores.columns, room):
        last = block.stop == len(scores.columns)
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
        table.add_column("Method", max_width=NAME_WIDTH, overflow="fold")
        for name in scores.columns[block]:
            table.add_column(Text(name), justify="right", overflow="fold")
        for name in (FINAL, STABILITY, "Unscored") if last else ():
            if name != "Unscored" or scores.unscored:
                table.add_column(name, justify="right", no_wrap=True)
        for row in scores.rows:
            table.add_row(*_line(scores, row, block, last), style="dim" if row.reference else "")
        yield table


def _line(scores: ScoreTable, row: ScoreRow, block: slice, last: bool) -> list[Text]:
    shown = [*row.scores[block], *([row.final, row.stability] if last else [])]
    counts = (
        [Text(str(row.unscored), style="red" if row.unscored else "")]
        if last and scores.unscored
        else []
    )
    return [Text(row.label), *map(_text, shown), *counts]


def _text(shown: ShownNumber) -> Text:
    return Text(shown.text, style="bold green" if shown.best else "")


def _reference_metrics(results: Results) -> Iterator[RenderableType]:
    found = reference_metrics(results)
    if not found.rows:
        return
    yield Text()
    yield Text(TITLE, style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(found.head):
        table.add_column(name, justify="right" if index else "left", overflow="fold")
    for row in found.rows:
        table.add_row(*map(Text, row))
    yield table
    yield Text(found.note, style="dim")


def _differences(results: Results, judge: str) -> Iterator[RenderableType]:
    lines = differences(results, judge)
    if not lines:
        return
    yield Text()
    several = f", judge {judge}" if len(results.judges) > 1 else ""
    yield Text(f"Differences between methods{several}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if index < 2 else "right")
    for line in lines:
        table.add_row(*map(Text, line))
    yield table
    yield Text(NOTE, style="dim")


def _narrow(cell: str) -> str:
    """A rate with its interval below it, without zeros before the point, so that all gates fit on a narrow terminal."""
    rate, _, interval = cell.partition(" (")
    if "–" not in interval:
        return cell
    return f"{rate}\n" + "–".join(
        bound.removeprefix("0") for bound in interval.rstrip(")").split("–")
    )


def _gates(results: Results) -> Iterator[RenderableType]:
    yield Text()
    yield Text("Gates", style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for index, name in enumerate(GATE_COLUMNS):
        table.add_column(
            name,
            justify="left" if index < 2 else "right",
            overflow="fold",
            min_width=9 if not index else None,
        )
    for gate in results.gates:
        table.add_row(*(Text(_narrow(cell)) for cell in gate_cells(gate)))
    yield table
    yield Text(GATE_NOTE, style="dim")
