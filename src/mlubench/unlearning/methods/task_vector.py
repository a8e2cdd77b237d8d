"""Task-vector negation: learn what is to be forgotten still better, then go the other way."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.methods.base import Method, Views, positive


@dataclass(frozen=True)
class TaskVector(Method):
    """NLL of forget is lowered; then `negate` times the change is subtracted (Ilharco et al., arXiv 2212.04089).

    The trainer does the subtraction, and makes it exact for LoRA (see `negated_change`).
    """

    needs = ("forget",)
    negate: float = 1.0  # how far to go the other way; 1 mirrors the change

    def __post_init__(self) -> None:
        positive(negate=self.negate)

    def loss(self, views: Views) -> Tensor:
        return views["forget"].nll
