"""GD with a refusal term: the truth goes down, a refusal takes its place, the rest is held."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.methods.base import Method, Views, positive


@dataclass(frozen=True)
class GDRefusal(Method):
    """-NLL of forget + NLL of retain + `refusal` x NLL of a refusal: gradient difference joined with the IDK loss of
    TOFU (Maini et al. 2024, arXiv 2401.06121)."""

    needs = ("refusal", "forget", "retain")
    refusal: float = 1.0  # weight of the refusal's NLL

    def __post_init__(self) -> None:
        positive(refusal=self.refusal)

    def loss(self, views: Views) -> Tensor:
        return -views["forget"].nll + views["retain"].nll + self.refusal * views["refusal"].nll
