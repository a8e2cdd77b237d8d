"""WGA: gradient ascent that leaves alone what is already unlikely."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import wga_loss
from mlubench.unlearning.methods.base import Method, Views, positive


@dataclass(frozen=True)
class WGA(Method):
    """mean p^beta log p of the forget tokens + alpha x NLL of retain (Wang et al. 2025, arXiv 2502.19301).

    As published: each token's ascent is weighed by its own probability, held constant. Assumed: the retain term and its
    weight, which are those of the field's common implementation (open-unlearning).
    """

    needs = ("forget", "retain")
    beta: float = 1.0  # the larger, the sooner an unlikely token is left alone; near 0 it is GD
    alpha: float = 1.0  # how much holding counts beside the ascent

    def __post_init__(self) -> None:
        positive(beta=self.beta, alpha=self.alpha)

    def loss(self, views: Views) -> Tensor:
        forget, retain = views["forget"], views["retain"]
        ascent = wga_loss(forget.token_logps, forget.mask, beta=self.beta)
        return ascent + self.alpha * retain.nll
