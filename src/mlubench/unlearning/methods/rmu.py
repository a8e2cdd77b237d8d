"""RMU: what is to be forgotten is steered to a random direction inside the model, the rest is held in place."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import rmu_loss
from mlubench.unlearning.methods.base import Method, Views, given, positive


@dataclass(frozen=True)
class RMU(Method):
    """|h_forget - c u|^2 + a |h_retain - h_ref|^2 at one layer, u a random unit vector (arXiv 2403.03218, eq. 1-3).

    `layer` counts the language model's layers from 1, or back from the last with -1. `direction` seeds u.
    """

    needs = ("forget", "retain")
    reference = {"retain": "states"}
    layer: int = -2
    c: float = 20.0
    alpha: float = 100.0
    direction: int = 0

    def __post_init__(self) -> None:
        positive(c=self.c, alpha=self.alpha)
        if self.layer == 0 or self.layer != int(self.layer):
            raise ValueError(f"layer counts from 1, or back from -1, got {self.layer!r}")

    def loss(self, views: Views) -> Tensor:
        forget, retain = views["forget"], views["retain"]
        return rmu_loss(
            given(forget.states), forget.mask, given(retain.states), given(retain.ref_states), retain.mask,
            c=self.c, alpha=self.alpha, seed=self.direction,
        )  # fmt: skip
