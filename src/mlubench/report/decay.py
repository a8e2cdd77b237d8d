"""Draws one panel of decay curves: the mean score on past tasks, step by step through the sequence."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlubench.report.labels import TITLES, label
from mlubench.report.plot_style import STYLES, ink, plain, style
from mlubench.runs.folder import BASE
from mlubench.runs.results import CellRow, Results
from mlubench.types import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_REFERENCE = "#6B6B6B"
# Two labels closer than this (in score) would overlap at README width.
_LABEL_GAP = 0.062


@dataclass(frozen=True, slots=True)
class Point:
    """The mean over `tasks` tested after step `index`, with how far its 95% interval reaches below and above."""

    index: int
    mean: float
    reach: tuple[float, float] | None


def points(results: Results, judge: str, metric: Metric, method: str) -> list[Point]:
    """A method's curve. A step is left out until all tasks up to it have a score: a mean of fewer is not comparable."""
    tasks, cells = results.tasks, results.scores(judge, metric)
    found = []
    for index, after in enumerate(tasks):
        past = [cells.get((method, task, after)) for task in tasks[: index + 1]]
        known = [cell for cell in past if cell is not None and cell.score is not None]
        if len(known) == index + 1:
            found.append(_mean(index, known))
    return found


def _mean(index: int, cells: list[CellRow]) -> Point:
    mean = sum(cell.score or 0.0 for cell in cells) / len(cells)
    ends = [(cell.score or 0.0, *cell.ci95) for cell in cells if cell.ci95 is not None]
    if len(ends) < len(cells):
        return Point(index, mean, None)
    below = math.hypot(*(max(0.0, score - low) for score, low, _ in ends)) / len(cells)
    above = math.hypot(*(max(0.0, high - score) for score, _, high in ends)) / len(cells)
    return Point(index, mean, (below, above))


def draw_decay(ax: "Axes", results: Results, judge: str, metric: Metric) -> None:
    """Fill one panel: a line per method with its name at its end, and the base as a dashed reference."""
    methods, tasks = results.methods, results.tasks
    ends: list[tuple[str, Point, str]] = []
    for place, method in enumerate(methods):
        curve = points(results, judge, metric, method)
        colour, marker = style(method, methods)
        _line(ax, curve, colour, marker, shift=(place - (len(methods) - 1) / 2) * 0.035)
        ends += [(plain(label(method)), curve[-1], colour)] if curve else []
    base = _reference(ax, results, judge, metric)
    ends += [(label(BASE), base, _REFERENCE)] if base else []
    _name(ax, ends)
    ax.set_title(f"{TITLES[metric]} (higher is better)", fontsize=10, fontweight="bold")
    ax.set_xticks(range(len(tasks)), [plain(f"U{task}") for task in tasks], fontsize=9)
    ax.set_xlim(*((-0.25, len(tasks) - 0.8) if len(tasks) > 1 else (-0.5, 0.5)))
    ax.set_ylim(-0.04, 1.04)
    ax.tick_params(labelsize=9, labelleft=True)
    ax.set_xlabel("after unlearning up to task", fontsize=9)
    ax.grid(axis="y", color="#dddddd", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _line(ax: "Axes", curve: list[Point], colour: str, marker: str, shift: float) -> None:
    """The curve, moved sideways a little so that methods with equal scores stay visible, and its intervals."""
    xs, ys = [point.index + shift for point in curve], [point.mean for point in curve]
    for gap in reversed(
        [at for at in range(1, len(curve)) if curve[at].index > curve[at - 1].index + 1]
    ):
        # A step that was not tested breaks the line: drawing through it would claim a score that nobody measured.
        xs.insert(gap, math.nan)
        ys.insert(gap, math.nan)
    size = 9 if marker == "*" else 5.5
    ax.plot(
        xs,
        ys,
        color=colour,
        marker=marker,
        markersize=size,
        linewidth=1.8,
        markeredgecolor="white",
        mew=0.5,
    )
    for point in curve:
        if point.reach:
            ax.errorbar(
                point.index + shift,
                point.mean,
                yerr=[[r] for r in point.reach],
                color=colour,
                capsize=2,
                elinewidth=1,
            )


def _reference(ax: "Axes", results: Results, judge: str, metric: Metric) -> Point | None:
    base = results.base_scores(judge, metric)
    curve = []
    for index in range(len(results.tasks)):
        past = [
            base[task]
            for task in results.tasks[: index + 1]
            if task in base and base[task].score is not None
        ]
        if len(past) == index + 1:
            curve.append(_mean(index, past))
    if curve:
        xs, ys = [point.index for point in curve], [point.mean for point in curve]
        ax.plot(
            xs,
            ys,
            color=_REFERENCE,
            linestyle=(0, (4, 3)),
            linewidth=1.2,
            marker="." if len(curve) == 1 else "",
        )
    return curve[-1] if curve else None


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted heights apart until neighbours are `gap` apart, staying between `low` and `high` where they fit."""
    placed = list(wanted)
    for index in range(1, len(placed)):
        placed[index] = max(placed[index], placed[index - 1] + gap)
    ceiling = high
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = max(min(placed[index], ceiling), low)
        ceiling = placed[index] - gap
    return placed


def _name(ax: "Axes", ends: list[tuple[str, Point, str]]) -> None:
    """Write each name beside the end of its line; a thin leader shows which when names had to move apart."""
    ends = sorted(ends, key=lambda end: end[1].mean)
    heights = spread([point.mean for _, point, _ in ends], _LABEL_GAP, 0.0, 1.0)
    for (name, point, colour), height in zip(ends, heights, strict=True):
        ax.annotate(
            name,
            xy=(point.index + 0.14, point.mean),
            xytext=(1.06, height),
            textcoords=ax.get_yaxis_transform(),
            color=ink(colour),
            fontsize=9,
            fontweight="bold" if colour == STYLES["lumoe"][0] else "normal",
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.5,
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )
