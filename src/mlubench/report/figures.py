"""Draws what a sequence does to each method: X-UY heat maps, and how scores on past tasks decay."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.core.files import write_atomic
from mlubench.report import liveness
from mlubench.report.decay import draw_decay
from mlubench.report.labels import TITLES, label
from mlubench.report.plot_style import luminance, plain
from mlubench.runs.results import Results
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy import ndarray

# Perceptually even and made for colour-blind readers; the annotations carry the numbers for everyone.
COLOURS = "cividis"
# All lengths are in inches. This is how wide a README shows a picture.
WIDTH = 10.0
# Left of the panels: the names of metric and tasks. Right of them: the colour bar.
_LEFT_MARGIN = 1.0
_RIGHT_MARGIN = 0.8
# Above the panels: the methods' names. Below them: the tasks' names and what the axis means.
_TOP_MARGIN = 0.42
_BOTTOM_MARGIN = 0.52
# The space between two panels, and a panel with its space, in widths of a panel.
_PANEL_GAP = 0.12
_PANEL_PITCH = 1 + _PANEL_GAP
# A smaller cell cannot hold "0.00"; in a larger one the number looks lost.
_SMALLEST_CELL = 0.272
_LARGEST_CELL = 0.5
# Grey is not in the colour scale, so a cell without a score cannot be taken for a score.
_NO_SCORE_COLOUR = "#e6e6e6"


def heat_maps(results: Results, judge: str | None = None) -> "Figure":
    """X-UY triangles: a row of panels per metric, a column per method, one colour scale from 0 to 1.

    `judge` defaults to the first of the run.
    """
    from matplotlib.figure import Figure

    methods = results.methods
    tasks = results.tasks
    if not methods:
        return _empty_figure()
    judge = judge or results.judges[0]
    panel = _panel_side(len(methods), len(tasks))
    width = _LEFT_MARGIN + _RIGHT_MARGIN + panel * len(methods) * _PANEL_PITCH
    # Two rows of panels, and what stands above, between and below them.
    height = 2 * panel + 1.3
    # Matplotlib places things in fractions of the figure.
    left = _LEFT_MARGIN / width
    right = 1 - _RIGHT_MARGIN / width
    # Numbers shrink with the cells, but not until they cannot be read.
    font_size = min(9.0, max(7.5, 20 * panel / len(tasks)))

    figure = Figure(figsize=(width, height))
    axes = figure.subplots(len(METRICS), len(methods), squeeze=False)
    figure.subplots_adjust(
        left=left,
        bottom=_BOTTOM_MARGIN / height,
        right=right,
        top=1 - _TOP_MARGIN / height,
        wspace=_PANEL_GAP,
        hspace=0.2,
    )
    for row, metric in enumerate(METRICS):
        for column, method in enumerate(methods):
            ax = axes[row][column]
            _draw_panel(ax, results, judge, metric, method, font_size=font_size)
            if row == 0:
                ax.set_title(plain(label(method)), fontsize=10, fontweight="bold")
            _set_ticks(ax, tasks, leftmost=column == 0, lowest=row == len(METRICS) - 1)
        axes[row][0].set_ylabel(f"{TITLES[metric]}\nscore on task", fontsize=9)
    figure.text(
        (left + right) / 2,
        0.02,
        "after unlearning up to task" + _dead_legend(results, judge, "in its corner"),
        fontsize=9,
        ha="center",
        va="bottom",
    )
    _draw_colour_bar(figure, axes)
    return figure


def decay_curves(results: Results, judge: str | None = None) -> "Figure":
    """Mean score over all tasks unlearned so far, after each step; one panel per metric, one line per method.

    Bars are 95% intervals of that mean, from the cells' own intervals taken as independent; they are drawn only
    where every cell has one. The dashed line is the base on the same tasks.
    """
    from matplotlib.figure import Figure

    if not results.methods:
        return _empty_figure()
    judge = judge or results.judges[0]
    figure = Figure(figsize=(WIDTH, 4.0))
    axes = figure.subplots(1, len(METRICS), sharey=True)
    # The methods' names stand right of each panel: between the two, and in the tenth that is left free.
    figure.subplots_adjust(left=0.06, right=0.9, top=0.9, bottom=0.17, wspace=0.34)
    for ax, metric in zip(axes, METRICS, strict=True):
        draw_decay(ax, results, judge, metric)
    axes[0].set_ylabel("mean score on past tasks", fontsize=9)
    legend = _dead_legend(results, judge, "and an empty marker")
    figure.text(0.06, 0.01, legend.removeprefix(" · "), fontsize=8, ha="left", va="bottom")
    return figure


def _dead_legend(results: Results, judge: str, how: str) -> str:
    """What the mark of dead archives means; empty where none is dead."""
    dead = liveness.dead_archives(results, judge)
    if not any(method in results.methods for method, _ in dead):
        return ""
    share = f"{liveness.LIVING_SHARE:.0%}"
    return f" · {liveness.MARK} {how}: dead, utility below {share} of the base's"


def save_png(figure: "Figure", path: Path, dpi: int = 200) -> None:
    """Write the figure in one step. At 200 dpi a picture shown 1000 pixels wide stays sharp on dense screens."""
    buffer = io.BytesIO()
    # Without matplotlib's version in it, the same results give the same bytes.
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())


def _panel_side(methods: int, tasks: int) -> float:
    """A panel's side: what README width leaves, less for few tasks, more where numbers would clash."""
    room = (WIDTH - _LEFT_MARGIN - _RIGHT_MARGIN) / methods / _PANEL_PITCH
    smallest = _SMALLEST_CELL * tasks
    # At least two cells' width, or the method's name would not fit above a single task.
    largest = _LARGEST_CELL * max(tasks, 2)
    return min(max(room, smallest), largest)


def _draw_panel(
    ax: "Axes", results: Results, judge: str, metric: Metric, method: str, *, font_size: float
) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    colours = colormaps[COLOURS]
    cells = results.scores(judge, metric)
    dead = liveness.dead_archives(results, judge)
    tasks = results.tasks
    ax.set_xlim(-0.5, len(tasks) - 0.5)
    # From the larger to the smaller, so that the first task is the top row.
    ax.set_ylim(len(tasks) - 0.5, -0.5)
    ax.set_aspect("equal")
    for task, after in results.steps():
        cell = cells.get((method, task, after))
        score = cell.score if cell else None
        fill: str | tuple[float, float, float, float] = _NO_SCORE_COLOUR
        ink = "black"
        hatch = "///"
        if score is not None:
            fill = colours(score)
            # Above this luminance black has the better contrast, by the rule of WCAG 2.
            ink = "black" if luminance(fill) > 0.18 else "white"
            hatch = ""
            text = f"{score:.2f}"
        elif cell:
            text = "?"  # tested, but no answer could be judged
        else:
            text = "–"  # not tested
        x = tasks.index(after)
        y = tasks.index(task)
        square = Rectangle(
            (x - 0.5, y - 0.5),
            1,
            1,
            facecolor=fill,
            edgecolor="white",
            linewidth=1,
            hatch=hatch,
        )
        ax.add_patch(square)
        ax.text(x, y, text, ha="center", va="center", fontsize=font_size, color=ink)
        if score is not None and (method, after) in dead:
            # In the corner: beside the number there is no room.
            ax.text(
                x + 0.46,
                y - 0.46,
                liveness.MARK,
                ha="right",
                va="top",
                fontsize=0.75 * font_size,
                color=ink,
            )


def _set_ticks(ax: "Axes", tasks: list[str], *, leftmost: bool, lowest: bool) -> None:
    """Name the tasks at the outer panels only: all panels have the same rows and columns."""
    names = [plain(task) for task in tasks]
    steps = [f"U{name}" for name in names]
    ax.set_xticks(range(len(tasks)), steps if lowest else [], fontsize=8)
    ax.set_yticks(range(len(tasks)), names if leftmost else [], fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _draw_colour_bar(figure: "Figure", axes: "ndarray") -> None:
    """One bar beside all panels, as high as they are together. `axes` is (metrics, methods)."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    upper = axes[0][-1].get_position()
    lower = axes[-1][-1].get_position()
    figure_width = figure.get_size_inches()[0]
    bar_width = 0.12 / figure_width
    gap = 0.12 / figure_width
    bar = figure.add_axes((upper.x1 + gap, lower.y0, bar_width, upper.y1 - lower.y0))
    scale = ScalarMappable(Normalize(0, 1), COLOURS)
    figure.colorbar(scale, cax=bar, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.tick_params(labelsize=8, length=2)
    bar.set_ylabel("score (higher is better)", fontsize=8)


def _empty_figure() -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 1.5))
    figure.text(0.5, 0.5, "No scores yet", ha="center", va="center", fontsize=12)
    return figure
