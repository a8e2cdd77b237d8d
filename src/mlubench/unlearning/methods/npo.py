"""NPO: the truth as the answer that is not preferred."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import npo_loss
from mlubench.unlearning.methods.base import Method, Views, given, positive


@dataclass(frozen=True)
class NPO(Method):
    """2/b mean softplus(b(log p - log p_ref)), log-probabilities of whole answers (arXiv 2404.05868, eq. 3)."""

    needs = ("forget",)
    reference = {"forget": "logps"}
    beta: float = 0.1  # the smaller, the nearer to gradient ascent

    def __post_init__(self) -> None:
        positive(beta=self.beta)

    def loss(self, views: Views) -> Tensor:
        forget = views["forget"]
        return npo_loss(forget.logps, given(forget.ref_logps), beta=self.beta)
