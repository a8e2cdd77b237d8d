"""RMU: what is to be forgotten is steered to a random direction inside the model, the rest is held in place."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import rmu_loss
from mlubench.unlearning.methods.base import Method, Views, given, positive


@dataclass(frozen=True)
class RMU(Method):
    """|h_forget - c u|^2 + alpha |h_retain - h_ref|^2 at one layer, u a random unit vector (arXiv 2403.03218, eq. 1-3)."""

    needs = ("forget", "retain")
    reference = {"retain": "states"}
    layer: int = -2  # of the language model, counted from 1, or back from the last with -1
    c: float = 20.0  # how long the steered states become
    alpha: float = 100.0  # how much holding counts beside steering
    direction: int = 0  # seeds u

    def __post_init__(self) -> None:
        positive(c=self.c, alpha=self.alpha)
        if self.layer == 0 or self.layer != int(self.layer):
            raise ValueError(f"layer counts from 1, or back from -1, got {self.layer!r}")

    def loss(self, views: Views) -> Tensor:
        forget, retain = views["forget"], views["retain"]
        return rmu_loss(
            given(forget.states),
            forget.mask,
            given(retain.states),
            given(retain.ref_states),
            retain.mask,
            c=self.c,
            alpha=self.alpha,
            seed=self.direction,
        )
