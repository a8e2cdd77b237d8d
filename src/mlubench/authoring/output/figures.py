"""Figures of a build: records by task and class, facts by entity, and what was dropped."""

import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.authoring.output.datasheet import BuildSummary, class_of, drop_rates
from mlubench.authoring.output.placed_items import all_items
from mlubench.core.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = 10  # of matplotlib's cycle; further classes are hatched


def write_figures(summary: BuildSummary, out: Path) -> None:
    """records.png, facts.png and dropped.png in `out`; the same build gives the same bytes."""
    figures = {
        "records": _records(summary),
        "facts": _facts(summary),
        "dropped": _dropped(summary),
    }
    for name, figure in figures.items():
        data = io.BytesIO()
        # Without `Software`, which holds matplotlib's version.
        figure.savefig(data, format="png", dpi=120, metadata={"Software": None})
        write_atomic(out / f"{name}.png", data.getvalue())


def _records(summary: BuildSummary) -> "Figure":
    """A bar for each task and split, its classes stacked."""
    labels = []
    class_counts: list[Counter[str]] = []  # by bar
    for task, by_split in summary.placed.items():
        for split, items in by_split.items():
            labels.append(f"{task}\n{split}")
            class_counts.append(Counter(class_of(item) for item in items))
    bars = range(len(labels))
    figure, axes = _axes(1.6 + 0.5 * len(labels), "records")
    bottoms = [0] * len(labels)
    for number, cls in enumerate(sorted({entity.cls for entity in summary.entities})):
        heights = [counts[cls] for counts in class_counts]
        axes.bar(
            bars,
            heights,
            bottom=bottoms,
            label=cls,
            color=f"C{number % _COLOURS}",
            hatch="/" * (number // _COLOURS),
        )
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    axes.set_xticks(bars, labels, fontsize=8)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _facts(summary: BuildSummary) -> "Figure":
    """How many entities have how many facts. A fact is an answer, whatever the picture."""
    facts = {(item.entity, item.answer) for item in all_items(summary.placed)}
    facts_by_entity = Counter(entity for entity, _ in facts)
    entities_by_facts = Counter(facts_by_entity.values())
    figure, axes = _axes(5, "entities")
    axes.bar(list(entities_by_facts), list(entities_by_facts.values()))
    axes.set_xlabel("facts of an entity")
    axes.set_xticks(range(1, max(entities_by_facts, default=0) + 1))
    return figure


def _dropped(summary: BuildSummary) -> "Figure":
    rates = drop_rates(summary, class_of)
    bars = range(len(rates))
    figure, axes = _axes(1.6 + 0.6 * len(rates), "share of items dropped")
    axes.bar(bars, [rate.rate for rate in rates.values()])
    axes.set_xticks(bars, list(rates), rotation=30, ha="right", fontsize=8)
    axes.set_ylim(0, 1)
    return figure


def _axes(width: float, label: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    # Not by pyplot, which would choose a window system.
    figure = Figure(figsize=(max(4, width), 3.4), layout="constrained")
    axes = figure.subplots()
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
