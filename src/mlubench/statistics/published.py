"""The paper's own scores: MLUBench, arXiv 2606.12809, LLaVA-v1.6-7B, one seed. What it does not publish is not here."""

from collections.abc import Mapping

from mlubench.types import Metric

# By method, metric and X-UY. Of KL's utility nothing is published.
MAIN_TABLE: Mapping[str, Mapping[Metric, Mapping[str, float]]] = {
    "ga": {
        "forget_quality": {"A-UA": 0.38, "A-UD": 0.01, "D-UD": 0.06},
        "utility": {"A-UA": 0.12, "A-UD": 0.01, "D-UD": 0.02},
    },
    "kl": {"forget_quality": {"A-UA": 0.28, "A-UD": 0.0, "D-UD": 0.0}},
    "npo": {
        "forget_quality": {"A-UA": 0.42, "A-UD": 0.005, "D-UD": 0.0},
        "utility": {"A-UA": 0.238, "A-UD": 0.0, "D-UD": 0.0},
    },
    "lumoe": {
        "forget_quality": {"A-UA": 1.0, "A-UD": 1.0, "D-UD": 0.96},
        "utility": {"A-UA": 0.93, "A-UD": 0.93, "D-UD": 0.91},
    },
}
# GA on one part of the model alone, each task directly after it was unlearned.
GA_ON_LANGUAGE: Mapping[Metric, Mapping[str, float]] = {
    "forget_quality": {"A-UA": 0.205, "B-UB": 0.193, "C-UC": 0.065, "D-UD": 0.1},
    "utility": {"A-UA": 0.102, "B-UB": 0.308, "C-UC": 0.0, "D-UD": 0.0},
}
GA_ON_VISION: Mapping[Metric, Mapping[str, float]] = {
    "forget_quality": {"A-UA": 0.315, "B-UB": 0.0, "C-UC": 0.0, "D-UD": 0.0},
    "utility": {"A-UA": 0.246, "B-UB": 0.017, "C-UC": 0.007, "D-UD": 0.0},
}


def published_score(method: str, metric: Metric, step: str) -> float | None:
    """The paper's score of the main table at `step`, as A-UD. None where it is not published."""
    return MAIN_TABLE.get(method, {}).get(metric, {}).get(step)
