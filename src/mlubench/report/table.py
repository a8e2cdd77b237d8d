"""Draws a run's scores in the terminal, in the form of the paper's main table."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlubench.report import endings_table
from mlubench.report.differences import COLUMNS, NOTE, differences
from mlubench.report.gate_table import (
    GATE_COLUMNS,
    HARM_COLUMNS,
    HARM_NOTE,
    HARM_TITLE,
    PART_COLUMNS,
    PART_TITLE,
    gate_cells,
    gate_note,
    harm_cells,
    part_cells,
)
from mlubench.report.labels import MEANINGS, PUBLISHED_PROTOCOL, STAND_INS, TITLES
from mlubench.report.reference_metrics import TITLE, reference_metrics
from mlubench.report.score_table import (
    FINAL,
    PAPER_NOTE,
    STABILITY,
    STABILITY_NOTE,
    ScoreRow,
    ScoreTable,
    ShownNumber,
    run_line,
    score_tables,
    unscored_warning,
)
from mlubench.runs.results import Results
from mlubench.statistics.directions import DIRECTIONS_NOTE

WIDTH = 120
NAME_WIDTH = 16
# All widths are in characters and include the padding of one on each side.
# A score is shown as "0.000", that of a dead archive as "0.000†".
_SCORE_WIDTH = 7
_MARKED_SCORE_WIDTH = 8
# The final score and the stability, which close the table.
_CLOSING_WIDTH = 8 + 12
_UNSCORED_WIDTH = 10


def render_table(results: Results, width: int = WIDTH, *, with_paper: bool = False) -> Group:
    """The run as rich renderables of at most `width` columns: a table per metric and judge, then the gates.

    Where the cells are too many for the width, they go on in a second table below.
    The results may be partial. `with_paper` sets the paper's scores below each method's.
    """
    parts = [*_opening(results)]
    if with_paper:
        parts.append(Text(PAPER_NOTE, style="dim"))
    for scores in score_tables(results, with_paper=with_paper):
        parts += _score_section(results, scores, width)
    parts.append(Text(STABILITY_NOTE, style="dim"))
    parts += _endings(results)
    parts += _reference_metrics(results)
    for judge in results.judges:
        parts += _differences(results, judge)
    if results.gates:
        parts += _gates(results, width)
    return Group(*parts)


def _opening(results: Results) -> Iterator[RenderableType]:
    """What a reader must know before the first number."""
    yield Text(run_line(results), style="bold")
    if results.run.benchmark.protocol == "published":
        yield Text(PUBLISHED_PROTOCOL, style="yellow")
    if results.run.stand_ins:
        yield Text(STAND_INS, style="yellow")
    warning = unscored_warning(results)
    if warning:
        yield Text(f"Warning: {warning}", style="bold red")
    yield Text(
        f"X-UY: task X tested after unlearning up to Y. Bold: the best living method of a column. {DIRECTIONS_NOTE}",
        style="dim",
    )


def _score_section(results: Results, scores: ScoreTable, width: int) -> Iterator[RenderableType]:
    """One metric by one judge: heading, table and legend."""
    meaning = MEANINGS[scores.metric]
    # A judge without a name is the only one there is, so it needs none.
    if scores.judge or len(results.judges) > 1:
        meaning += f", judge {scores.judge}"
    yield Text()
    yield Text.assemble((TITLES[scores.metric], "bold"), f" ({meaning})")
    if not results.methods:
        yield Text("No scores yet: the run has not tested any archived model.")
    yield from _score_tables(scores, width)
    if scores.legend:
        yield Text(scores.legend, style="dim")


def _score_tables(scores: ScoreTable, width: int) -> Iterator[Table]:
    """The scores as one table, or as several below each other where one is too wide."""
    # Every block leaves room for the closing columns, though only the last one shows them:
    # which block is the last is known only after the columns are split.
    room = width - NAME_WIDTH - 2 - _CLOSING_WIDTH
    if scores.unscored:
        room -= _UNSCORED_WIDTH
    score_width = _MARKED_SCORE_WIDTH if scores.any_dead else _SCORE_WIDTH
    widths = [max(score_width, len(name) + 2) for name in scores.columns]
    for block in _blocks(widths, room):
        last = block.stop == len(scores.columns)
        table = _bare_table()
        table.add_column("Method", max_width=NAME_WIDTH, overflow="fold")
        for name in scores.columns[block]:
            # As Text, so that a bracket in a task's name is not read as markup.
            table.add_column(Text(name), justify="right", overflow="fold")
        if last:
            table.add_column(FINAL, justify="right", no_wrap=True)
            table.add_column(STABILITY, justify="right", no_wrap=True)
        if last and scores.unscored:
            table.add_column("Unscored", justify="right", no_wrap=True)
        for row in scores.rows:
            cells = _row_cells(scores, row, block, last=last)
            table.add_row(*cells, style="dim" if row.reference else "")
        yield table


def _blocks(widths: list[int], room: int) -> Iterator[slice]:
    """Split columns of these widths into stretches that fit into `room`; one that is too wide alone still gets its own."""
    start = 0
    used = 0
    for index, width in enumerate(widths):
        if used + width > room and index > start:
            yield slice(start, index)
            start = index
            used = 0
        used += width
    # Without any column too, so that an empty run still shows its methods.
    yield slice(start, len(widths))


def _row_cells(scores: ScoreTable, row: ScoreRow, block: slice, *, last: bool) -> list[Text]:
    cells = [Text(row.label)]
    cells += [_number_text(number) for number in row.scores[block]]
    if last:
        cells += [_number_text(row.final), _number_text(row.stability)]
    if last and scores.unscored:
        cells.append(Text(str(row.unscored), style="red" if row.unscored else ""))
    return cells


def _number_text(number: ShownNumber) -> Text:
    return Text(number.marked, style="bold green" if number.best else "")


def _endings(results: Results) -> Iterator[RenderableType]:
    lines = endings_table.endings_lines(results)
    if not lines:
        return
    yield Text()
    yield Text(endings_table.TITLE, style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in endings_table.COLUMNS:
        table.add_column(name, justify="left" if name == "Method" else "right")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    yield table
    yield Text(endings_table.NOTE, style="dim")


def _reference_metrics(results: Results) -> Iterator[RenderableType]:
    metrics = reference_metrics(results)
    if not metrics.rows:
        return
    yield Text()
    yield Text(TITLE, style="bold")
    table = _bare_table()
    for index, name in enumerate(metrics.head):
        table.add_column(name, justify="right" if index else "left", overflow="fold")
    for row in metrics.rows:
        table.add_row(*map(Text, row))
    yield table
    yield Text(metrics.note, style="dim")


def _differences(results: Results, judge: str) -> Iterator[RenderableType]:
    rows = differences(results, judge)
    if not rows:
        return
    title = "Differences between methods"
    if len(results.judges) > 1:
        title += f", judge {judge}"
    yield Text()
    yield Text(title, style="bold")
    table = _bare_table()
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if index < 2 else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    yield table
    yield Text(NOTE, style="dim")


def _gates(results: Results, width: int) -> Iterator[RenderableType]:
    yield Text()
    yield Text("Gates", style="bold")
    # Which gate it is, and after which task, begins every table.
    yield from _rate_tables(GATE_COLUMNS, [gate_cells(row) for row in results.gates], width, 2)
    # Of the others the page tells.
    parts = part_cells(gate for gate in results.gates if gate.configured)
    if parts:
        yield Text()
        yield Text(PART_TITLE, style="bold")
        # So does the kind of picture.
        yield from _rate_tables(PART_COLUMNS, parts, width, 3)
    yield Text(gate_note(results), style="dim")
    harm = harm_cells(results.gates)
    if harm:
        yield Text()
        yield Text(HARM_TITLE, style="bold")
        yield from _rate_tables(HARM_COLUMNS, harm, width, 3)
        yield Text(HARM_NOTE, style="dim")


def _rate_tables(
    headings: list[str], rows: list[list[str]], width: int, first: int
) -> Iterator[Table]:
    """Rates with their intervals as one table, or as several below each other, each of which has the `first` columns."""
    rows = [[_narrow(cell) for cell in row] for row in rows]
    columns = list(zip(headings, *rows, strict=True))
    widths = [_width(column, whole_heading=True) for column in columns]
    if sum(widths) > width:
        widths = [_width(column, whole_heading=False) for column in columns]
    for block in _blocks(widths[first:], width - sum(widths[:first])):
        table = _bare_table()
        shown = [*range(first), *range(first, len(widths))[block]]
        for index in shown:
            table.add_column(
                headings[index],
                justify="right" if index >= first else "left",
                overflow="fold",
                # Without the padding. Left to itself, rich would break numbers of one column and leave another wide.
                width=widths[index] - 2,
            )
        for row in rows:
            table.add_row(*(Text(row[index]) for index in shown))
        yield table


def _width(column: tuple[str, ...], *, whole_heading: bool) -> int:
    """Of a heading and its cells, with the padding: keeps lines of cells whole, and the heading or each word of it."""
    heading, *cells = column
    words = [heading] if whole_heading else heading.split()
    lines = [line for cell in cells for line in cell.splitlines()]
    return max(map(len, [*words, *lines])) + 2


def _narrow(cell: str) -> str:
    """A rate with its interval below it, so that all gates fit on a narrow terminal.

    The interval's zeros before the point are left out: "0.950 (0.91–0.98)" becomes "0.950" over ".91–.98".
    """
    rate, _, interval = cell.partition(" (")
    if "–" not in interval:
        return cell
    bounds = [bound.removeprefix("0") for bound in interval.rstrip(")").split("–")]
    return f"{rate}\n" + "–".join(bounds)


def _bare_table() -> Table:
    """A table without lines, as the paper sets them."""
    return Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
