"""Draws the curves of `gates.py`: rates as tasks and as requests accumulate."""

from pathlib import Path
from typing import Any

from mlubench.report.figures import save_png

RATES = {
    "leak_rate": "leak",
    "over_refusal_rate": "over-refusal",
    "unseen_refusal_rate": "never seen, refused",
}
COLOURS = ("#c1272d", "#0000a7", "#008176")


def draw(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """One panel for each world's tasks 1 to 4, and one for 1 to 1,000 requests; hybrid gate, 95% Wilson intervals."""
    from matplotlib.figure import Figure

    hybrid = [row for row in found["tasks"] if row["gate"] == "hybrid"]
    panels: dict[str, list[dict[str, Any]]] = {}
    for row in hybrid:
        panels.setdefault(row["world"], []).append(row)
    panels["requests, one entity each"] = found["requests"]
    figure = Figure(figsize=(3 * len(panels), 3.2), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (name, rows) in zip(axes, panels.items(), strict=True):
        key = "requests" if "requests" in rows[0] else "tasks"
        for (rate, label), colour in zip(RATES.items(), COLOURS, strict=True):
            known = [r for r in rows if r[rate] is not None]
            ends = [r[f"{rate}_ci95"] for r in known]
            ax.plot(
                [r[key] for r in known],
                [r[rate] for r in known],
                "o-",
                color=colour,
                label=label,
                markersize=3,
            )
            ax.fill_between(
                [r[key] for r in known], *zip(*ends, strict=True), color=colour, alpha=0.15
            )
        if key == "requests":
            ax.set_xscale("log")
        ax.set_title(name, fontsize=9)
        ax.set_xlabel(f"{key} so far", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(0, None)
    axes[0].set_ylabel("share of queries (hybrid gate)", fontsize=8)
    axes[0].legend(fontsize=7, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(figure, path, dpi=150)
