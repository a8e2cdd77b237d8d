"""Which side of a measure is good: stated here and nowhere else."""

from collections.abc import Mapping
from typing import Literal

from mlubench.types import Metric

# By the measure's key in results.json. What is good on one half of the samples and bad on the other is "KEY/METRIC".
BETTER: Mapping[str, Literal["higher", "lower"]] = {
    "forget_quality": "higher",
    "utility": "higher",
    "final": "higher",
    "cells_mean": "higher",
    "stability": "lower",
    "leak_rate": "lower",
    "over_refusal_rate": "lower",
    "wrong_expert_rate": "lower",
    "unseen_refusal_rate": "lower",
    "stranger_rate": "lower",
    "harm_rate": "lower",
    "lost_rate": "lower",
    "auroc": "higher",
    "fpr95": "lower",
    "latency_ms_p50": "lower",
    "train_seconds": "lower",
    "peak_memory_bytes": "lower",
    "kappa_quadratic": "higher",
    "kappa_linear": "higher",
    "agreement": "higher",
    "rouge_l/forget_quality": "lower",
    "rouge_l/utility": "higher",
    "truth_probability/forget_quality": "lower",
    "truth_probability/utility": "higher",
}
DIRECTIONS_NOTE = "↑ higher is better, ↓ lower is better."


def marked(title: str, measure: str) -> str:
    """A heading with the arrow of what it measures: "Stability↓"."""
    arrow = "↑" if BETTER[measure] == "higher" else "↓"
    return title + arrow


def both_sides(measure: str, metric: Metric) -> str:
    """The key of what is good on one half of the samples and bad on the other."""
    return f"{measure}/{metric}"
