"""Draws one panel of decay curves: the mean score on past tasks, step by step through the sequence."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlubench.report import liveness
from mlubench.report.labels import TITLES, label
from mlubench.report.plot_style import STYLES, ink, plain, style
from mlubench.runs.folder import BASE, GATE_ONLY, PROMPT_ONLY, TRAINING_FREE
from mlubench.runs.results import CellRow, Results
from mlubench.types import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BASE_COLOUR = "#6B6B6B"
# Dashes and gaps of what methods are held against, in points.
_DASHES = {
    BASE: (4, 3),
    GATE_ONLY: (1, 2),
    PROMPT_ONLY: (6, 2, 1, 2),
    TRAINING_FREE: (6, 2, 1, 2, 1, 2),
}
# Two labels closer than this (in score) would overlap at README width.
_LABEL_GAP = 0.062
# How far neighbouring methods' curves stand apart sideways, in steps: equal scores would hide each other.
_SIDE_STEP = 0.035


@dataclass(frozen=True, slots=True)
class Point:
    """The mean over the tasks up to step `index`, tested after that step."""

    index: int
    mean: float
    # How far the 95% interval reaches below and above the mean. None where a task's score has no interval.
    reach: tuple[float, float] | None
    # Whether the archive answers next to nothing.
    dead: bool = False


@dataclass(frozen=True, slots=True)
class _CurveEnd:
    """Where a curve ends, and the name to write there."""

    name: str
    point: Point
    colour: str


def points(results: Results, judge: str, metric: Metric, method: str) -> list[Point]:
    """A method's curve. A step is left out until all tasks up to it have a score: a mean of fewer is not comparable."""
    cells = results.scores(judge, metric)
    dead = liveness.dead_archives(results, judge)
    curve = []
    for index, after in enumerate(results.tasks):
        past_tasks = results.tasks[: index + 1]
        point = _mean_point(index, [cells.get((method, task, after)) for task in past_tasks])
        if point is not None:
            curve.append(replace(point, dead=(method, after) in dead))
    return curve


def _base_points(results: Results, judge: str, metric: Metric) -> list[Point]:
    """The base's curve over the same tasks. It never unlearns, so each task has one score, whatever the step."""
    cells = results.base_scores(judge, metric)
    curve = []
    for index in range(len(results.tasks)):
        past_tasks = results.tasks[: index + 1]
        point = _mean_point(index, [cells.get(task) for task in past_tasks])
        if point is not None:
            curve.append(point)
    return curve


def _mean_point(index: int, cells: list[CellRow | None]) -> Point | None:
    """The mean of the cells' scores, or None where one of them has no score."""
    scores = []
    # The distances from each score to the two ends of its interval.
    below = []
    above = []
    for cell in cells:
        if cell is None or cell.score is None:
            return None
        scores.append(cell.score)
        if cell.ci95 is not None:
            low, high = cell.ci95
            below.append(max(0.0, cell.score - low))
            above.append(max(0.0, high - cell.score))
    count = len(scores)
    mean = sum(scores) / count
    if len(below) < count:
        return Point(index, mean, None)
    # Errors of independent scores add in squares.
    return Point(index, mean, (math.hypot(*below) / count, math.hypot(*above) / count))


def draw_decay(ax: "Axes", results: Results, judge: str, metric: Metric) -> None:
    """Fill one panel: a line per method with its name at its end, and dashed lines of base and references."""
    methods = results.methods
    ends = []
    for position, method in enumerate(methods):
        curve = points(results, judge, metric, method)
        colour, marker = style(method, methods)
        # The middle method stands at its true place, the others to both sides of it.
        shift = (position - (len(methods) - 1) / 2) * _SIDE_STEP
        _draw_curve(ax, curve, colour, marker, shift)
        if curve:
            name = plain(label(method)) + (liveness.MARK if curve[-1].dead else "")
            ends.append(_CurveEnd(name, curve[-1], colour))
    for name in dict.fromkeys(cell.method for cell in results.references):
        curve = points(results, judge, metric, name)
        if curve:
            _draw_reference(ax, curve, _DASHES[name])
            mark = liveness.MARK if curve[-1].dead else ""
            ends.append(_CurveEnd(plain(label(name)) + mark, curve[-1], _BASE_COLOUR))
    base_curve = _base_points(results, judge, metric)
    if base_curve:
        _draw_reference(ax, base_curve, _DASHES[BASE])
        ends.append(_CurveEnd(label(BASE), base_curve[-1], _BASE_COLOUR))
    _write_names(ax, ends)
    ax.set_title(f"{TITLES[metric]} (higher is better)", fontsize=10, fontweight="bold")
    _set_axes(ax, results.tasks)


def _set_axes(ax: "Axes", tasks: list[str]) -> None:
    ax.set_xticks(range(len(tasks)), [plain(f"U{task}") for task in tasks], fontsize=9)
    # Room for the first marker on the left. On the right little, because the names stand outside the panel.
    if len(tasks) > 1:
        ax.set_xlim(-0.25, len(tasks) - 0.8)
    else:
        ax.set_xlim(-0.5, 0.5)
    # A little beyond 0 and 1, so that markers there are not cut.
    ax.set_ylim(-0.04, 1.04)
    # The panels share their y axis, which would hide the labels of all but the first.
    ax.tick_params(labelsize=9, labelleft=True)
    ax.set_xlabel("after unlearning up to task", fontsize=9)
    ax.grid(axis="y", color="#dddddd", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_curve(ax: "Axes", curve: list[Point], colour: str, marker: str, shift: float) -> None:
    """The curve and its intervals, moved sideways by `shift` steps."""
    # A star fills less of its size than the other markers do.
    size = 9 if marker == "*" else 5.5
    xs: list[float] = []
    ys: list[float] = []
    previous = None
    for point in curve:
        if previous is not None and point.index > previous.index + 1:
            # A step that was not tested breaks the line: drawing through it would claim a score that nobody measured.
            xs.append(math.nan)
            ys.append(math.nan)
        xs.append(point.index + shift)
        ys.append(point.mean)
        previous = point
    ax.plot(
        xs,
        ys,
        color=colour,
        marker=marker,
        markersize=size,
        linewidth=1.8,
        markeredgecolor="white",
        markeredgewidth=0.5,
    )
    # Above the filled marker that the line has there, so that a dead archive's looks empty.
    for point in curve:
        if point.dead:
            ax.plot(
                [point.index + shift],
                [point.mean],
                color=colour,
                marker=marker,
                markersize=size,
                markerfacecolor="white",
                zorder=3,
            )
    for point in curve:
        if point.reach is None:
            continue
        below, above = point.reach
        ax.errorbar(
            point.index + shift,
            point.mean,
            yerr=[[below], [above]],
            color=colour,
            capsize=2,
            elinewidth=1,
        )


def _draw_reference(ax: "Axes", curve: list[Point], dashes: tuple[int, ...]) -> None:
    """A line of what methods are held against; `dashes` are lengths of dashes and gaps in turn, in points."""
    ax.plot(
        [point.index for point in curve],
        [point.mean for point in curve],
        color=_BASE_COLOUR,
        linestyle=(0, dashes),
        linewidth=1.2,
        # A single point makes no line, so without a marker it could not be seen.
        marker="." if len(curve) == 1 else "",
    )


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted heights apart until neighbours are `gap` apart, staying between `low` and `high` where they fit."""
    placed = list(wanted)
    # First push upwards from the lowest, then back down from the ceiling.
    for index in range(1, len(placed)):
        placed[index] = max(placed[index], placed[index - 1] + gap)
    ceiling = high
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = max(min(placed[index], ceiling), low)
        ceiling = placed[index] - gap
    return placed


def _write_names(ax: "Axes", ends: list[_CurveEnd]) -> None:
    """Write each name beside the end of its line; a thin leader shows which when names had to move apart."""
    ends = sorted(ends, key=lambda end: end.point.mean)
    heights = spread([end.point.mean for end in ends], _LABEL_GAP, 0.0, 1.0)
    lumoe_colour, _ = STYLES["lumoe"]
    for end, height in zip(ends, heights, strict=True):
        ax.annotate(
            end.name,
            xy=(end.point.index + 0.14, end.point.mean),
            # Across in widths of the panel (just outside it), upwards in scores.
            xytext=(1.06, height),
            textcoords=ax.get_yaxis_transform(),
            color=ink(end.colour),
            fontsize=9,
            fontweight="bold" if end.colour == lumoe_colour else "normal",
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": end.colour,
                "linewidth": 0.5,
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )
