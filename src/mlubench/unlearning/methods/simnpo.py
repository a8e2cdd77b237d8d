"""SimNPO: NPO without a reference, by the length of the answer."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import simnpo_loss
from mlubench.unlearning.methods.base import Method, Views, positive


@dataclass(frozen=True)
class SimNPO(Method):
    """-2/b mean log sigmoid(b(NLL / |answer| - delta)) (arXiv 2410.07163, eq. 4)."""

    needs = ("forget",)
    beta: float = 2.5
    delta: float = 0.0  # the paper's margin gamma over beta, in nats a token

    def __post_init__(self) -> None:
        positive(beta=self.beta)

    def loss(self, views: Views) -> Tensor:
        forget = views["forget"]
        return simnpo_loss(forget.logps, forget.mask.sum(-1), beta=self.beta, delta=self.delta)
