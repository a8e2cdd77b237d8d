"""GA: gradient ascent on what is to be forgotten."""

from torch import Tensor

from mlubench.unlearning.losses import ga_loss
from mlubench.unlearning.methods.base import Method, Views


class GA(Method):
    """-NLL of the forget answers (Yao et al. 2023, arXiv 2310.10683). It has no lower bound."""

    needs = ("forget",)

    def loss(self, views: Views) -> Tensor:
        return ga_loss(views["forget"].token_logps, views["forget"].mask)
