"""What metrics and methods are called in the table, the figures and on the page."""

from mlubench.runs.folder import BASE, GATE_ONLY, ORACLE, PROMPT_ONLY, TRAINING_FREE
from mlubench.statistics.directions import BETTER
from mlubench.types import Metric

TITLES: dict[Metric, str] = {"forget_quality": "Forget quality", "utility": "Utility"}
_MEASURED: dict[Metric, str] = {
    "forget_quality": "quality of refusal on what must go",
    "utility": "correctness on what must stay",
}
MEANINGS = {metric: f"{what}; {BETTER[metric]} is better" for metric, what in _MEASURED.items()}
LABELS = {name: name.upper() for name in ("ga", "gd", "kl", "npo", "po", "dpo")} | {
    "lumoe": "LUMoE",
    "lumoe+oracle": "LUMoE + oracle",
    BASE: "Base",
    ORACLE: "Oracle",
    GATE_ONLY: "Gate only",
    PROMPT_ONLY: "Prompt only",
    TRAINING_FREE: "Training-free",
}
PUBLISHED_PROTOCOL = (
    "Published protocol: tested on the records that methods and gate learned from. "
    "Do not compare with held-out scores."
)
STAND_INS = "Pictures are drawn stand-ins, not photographs: compare these scores with each other, not with published ones."


def label(method: str) -> str:
    """The name people know a method by; one we do not know is shown as it is."""
    return LABELS.get(method, method)
