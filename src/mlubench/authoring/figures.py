"""Figures of a build's distributions: records by task and class, facts by entity, and what was dropped."""

import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.authoring.datasheet import Made, drop_rates
from mlubench.core.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write_figures(made: Made, out: Path) -> None:
    """records.png, facts.png and dropped.png in `out`; the same build gives the same bytes."""
    for name, draw in (("records", _records), ("facts", _facts), ("dropped", _dropped)):
        data = io.BytesIO()
        draw(made).savefig(data, format="png", dpi=120, metadata={"Software": None})
        write_atomic(out / f"{name}.png", data.getvalue())


def _records(made: Made) -> "Figure":
    """A bar a task and split, its classes stacked."""
    places = [(task, split) for task, splits in made.placed.items() for split in splits]
    classes = sorted({e.cls for e in made.entities})
    figure, axes = _axes(1.6 + 0.5 * len(places), "records")
    bottom = [0] * len(places)
    for number, cls in enumerate(classes):
        counts = [sum(i.entity.startswith(f"{cls}/") for i in made.placed[t][s]) for t, s in places]
        axes.bar(
            range(len(places)),
            counts,
            bottom=bottom,
            label=cls,
            color=f"C{number % 10}",
            hatch="/" * (number // 10),
        )
        bottom = [a + b for a, b in zip(bottom, counts, strict=True)]
    axes.set_xticks(range(len(places)), [f"{task}\n{split}" for task, split in places], fontsize=8)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _facts(made: Made) -> "Figure":
    items = [i for splits in made.placed.values() for rows in splits.values() for i in rows]
    facts = Counter(entity for entity, _ in {(i.entity, i.answer) for i in items})
    sizes = Counter(facts.values())
    figure, axes = _axes(5, "entities")
    axes.bar(list(sizes), list(sizes.values()))
    axes.set_xlabel("facts of an entity")
    axes.set_xticks(range(1, max(sizes, default=0) + 1))
    return figure


def _dropped(made: Made) -> "Figure":
    rates = drop_rates(made, lambda i: i.entity.split("/")[0])
    figure, axes = _axes(1.6 + 0.6 * len(rates), "share of items dropped")
    axes.bar(range(len(rates)), [gone / of for gone, of in rates.values()])
    axes.set_xticks(range(len(rates)), list(rates), rotation=30, ha="right", fontsize=8)
    axes.set_ylim(0, 1)
    return figure


def _axes(width: float, label: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(4, width), 3.4), layout="constrained")
    axes = figure.subplots()
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
