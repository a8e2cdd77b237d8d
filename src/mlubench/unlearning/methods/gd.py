"""GD: gradient ascent on what is to be forgotten, descent on what must stay."""

from torch import Tensor

from mlubench.unlearning.methods.base import Method, Views


class GD(Method):
    """-NLL of forget + NLL of retain (Liu et al. 2022, arXiv 2203.12817)."""

    needs = ("forget", "retain")

    def loss(self, views: Views) -> Tensor:
        return -views["forget"].nll + views["retain"].nll
