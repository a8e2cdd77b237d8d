"""PO: a refusal in the truth's place."""

from torch import Tensor

from mlubench.unlearning.methods.base import Method, Views


class PO(Method):
    """NLL of a refusal, as in the benchmark's release (Maini et al. 2024, arXiv 2401.06121, without their retain term)."""

    needs = ("refusal",)

    def loss(self, views: Views) -> Tensor:
        return views["refusal"].nll


class PORetain(Method):
    """NLL of a refusal + NLL of retain: the IDK loss of TOFU (arXiv 2401.06121, section 4)."""

    needs = ("refusal", "retain")

    def loss(self, views: Views) -> Tensor:
        return views["refusal"].nll + views["retain"].nll
