"""Draws what a sequence does to each method: X-UY heat maps, and how scores on past tasks decay."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlubench.core.files import write_atomic
from mlubench.report.decay import draw_decay
from mlubench.report.labels import TITLES, label
from mlubench.report.plot_style import luminance, plain
from mlubench.runs.results import Results
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Perceptually even and made for colour-blind readers; the annotations carry the numbers for everyone.
COLOURS = "cividis"
WIDTH = 10.0
_SIDE, _BAR, _CELL, _LARGEST = 1.0, 0.8, 0.34, 0.5


def heat_maps(results: Results, judge: str | None = None) -> "Figure":
    """X-UY triangles: a row of panels per metric, a column per method, one colour scale from 0 to 1.

    `judge` defaults to the first of the run.
    """
    from matplotlib.figure import Figure

    methods = results.methods
    count = len(results.tasks)
    if not methods:
        return _empty(Figure(figsize=(6, 1.5)))
    width, panel = _widths(len(methods), count)
    height = 2 * panel + 1.3
    figure = Figure(figsize=(width, height))
    left, right, size = _SIDE / width, 1 - _BAR / width, min(9.0, max(7.5, 20 * panel / count))
    axes = figure.subplots(len(METRICS), len(methods), squeeze=False)
    figure.subplots_adjust(left, 0.52 / height, right, 1 - 0.42 / height, wspace=0.12, hspace=0.2)
    for row, metric in enumerate(METRICS):
        for column, method in enumerate(methods):
            _panel(
                axes[row][column], results, judge or results.judges[0], metric, method, size=size
            )
            if row == 0:
                axes[row][column].set_title(plain(label(method)), fontsize=10, fontweight="bold")
            _ticks(axes[row][column], results.tasks, outer=(column == 0, row == len(METRICS) - 1))
        axes[row][0].set_ylabel(f"{TITLES[metric]}\nscore on task", fontsize=9)
    figure.text(
        (left + right) / 2,
        0.02,
        "after unlearning up to task",
        fontsize=9,
        ha="center",
        va="bottom",
    )
    _scale(figure, axes)
    return figure


def decay_curves(results: Results, judge: str | None = None) -> "Figure":
    """Mean score over all tasks unlearned so far, after each step; one panel per metric, one line per method.

    Bars are 95% intervals of that mean, from the cells' own intervals taken as independent; they are drawn only
    where every cell has one. The dashed line is the base on the same tasks.
    """
    from matplotlib.figure import Figure

    if not results.methods:
        return _empty(Figure(figsize=(6, 1.5)))
    figure = Figure(figsize=(WIDTH, 3.9))
    axes = figure.subplots(1, len(METRICS), sharey=True)
    figure.subplots_adjust(left=0.06, right=0.9, top=0.9, bottom=0.14, wspace=0.34)
    for ax, metric in zip(axes, METRICS, strict=True):
        draw_decay(ax, results, judge or results.judges[0], metric)
    axes[0].set_ylabel("mean score on past tasks", fontsize=9)
    return figure


def save_png(figure: "Figure", path: Path, dpi: int = 200) -> None:
    """Write the figure in one step. At 200 dpi a picture shown 1000 pixels wide stays sharp on dense screens."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())


def _widths(methods: int, tasks: int) -> tuple[float, float]:
    """Figure width and panel side in inches: README width, narrower for few methods, wider when numbers would clash."""
    room = (WIDTH - _SIDE - _BAR) / methods / 1.12
    panel = min(max(room, _CELL * 0.8 * tasks), _LARGEST * max(tasks, 2))
    return _SIDE + _BAR + panel * methods * 1.12, panel


def _panel(
    ax: "Axes", results: Results, judge: str, metric: Metric, method: str, *, size: float
) -> None:
    from matplotlib import colormaps

    colours, cells = colormaps[COLOURS], results.scores(judge, metric)
    tasks = results.tasks
    ax.set_xlim(-0.5, len(tasks) - 0.5)
    ax.set_ylim(len(tasks) - 0.5, -0.5)
    ax.set_aspect("equal")
    for task, after in results.steps():
        x, y = tasks.index(after), tasks.index(task)
        cell = cells.get((method, task, after))
        score = cell.score if cell else None
        fill = "#e6e6e6" if score is None else colours(score)
        ax.add_patch(_square(x, y, fill, hatched=score is None))
        text = ("?" if cell else "–") if score is None else f"{score:.2f}"
        ink = "black" if score is None or luminance(fill) > 0.18 else "white"
        ax.text(x, y, text, ha="center", va="center", fontsize=size, color=ink)


def _square(x: int, y: int, fill: Any, *, hatched: bool) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (x - 0.5, y - 0.5),
        1,
        1,
        facecolor=fill,
        edgecolor="white",
        linewidth=1,
        hatch="///" * hatched,
    )


def _ticks(ax: "Axes", tasks: list[str], outer: tuple[bool, bool]) -> None:
    names = [plain(task) for task in tasks]
    first, bottom = outer
    ax.set_xticks(range(len(tasks)), [f"U{n}" for n in names] if bottom else [], fontsize=8)
    ax.set_yticks(range(len(tasks)), names if first else [], fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _scale(figure: "Figure", axes: Any) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    top, bottom = axes[0][-1].get_position().y1, axes[-1][-1].get_position().y0
    right, width = axes[0][-1].get_position().x1, figure.get_size_inches()[0]
    bar = figure.add_axes((right + 0.12 / width, bottom, 0.12 / width, top - bottom))
    figure.colorbar(
        ScalarMappable(Normalize(0, 1), COLOURS), cax=bar, ticks=[0, 0.25, 0.5, 0.75, 1]
    )
    bar.tick_params(labelsize=8, length=2)
    bar.set_ylabel("score (higher is better)", fontsize=8)


def _empty(figure: "Figure") -> "Figure":
    figure.text(0.5, 0.5, "No scores yet", ha="center", va="center", fontsize=12)
    return figure
