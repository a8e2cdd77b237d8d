"""SatImp: gradient ascent on tokens that are neither certain nor unlikely."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import satimp_loss
from mlubench.unlearning.methods.base import Method, Views, positive


@dataclass(frozen=True)
class SatImp(Method):
    """mean p^beta1 (1 - p)^beta2 log p of the forget tokens + alpha x NLL of retain (arXiv 2505.11953).

    As published: `saturation` p^beta1 spares what is forgotten already, `importance` (1 - p)^beta2 what any model would
    say there, such as the second half of a word. Assumed: the retain term and the defaults, which are those of
    open-unlearning's class; the file of settings beside it holds alpha much higher (10 times the ascent).
    """

    needs = ("forget", "retain")
    beta1: float = 5.0  # of the saturation
    beta2: float = 1.0  # of the importance
    alpha: float = 0.1  # how much holding counts beside the ascent

    def __post_init__(self) -> None:
        positive(beta1=self.beta1, beta2=self.beta2, alpha=self.alpha)

    def loss(self, views: Views) -> Tensor:
        forget, retain = views["forget"], views["retain"]
        ascent = satimp_loss(forget.token_logps, forget.mask, beta1=self.beta1, beta2=self.beta2)
        return ascent + self.alpha * retain.nll
