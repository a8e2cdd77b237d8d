"""DPO: a refusal preferred to the truth."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import dpo_loss
from mlubench.unlearning.methods.base import Method, Views, given, positive


@dataclass(frozen=True)
class DPO(Method):
    """mean softplus(-b((log p - log p_ref) of the refusal - the same of the truth)) (arXiv 2305.18290, eq. 7)."""

    needs = ("refusal", "forget")
    reference = {"refusal": "logps", "forget": "logps"}
    beta: float = 0.1  # how far the model may move from the reference: the larger, the less

    def __post_init__(self) -> None:
        positive(beta=self.beta)

    def loss(self, views: Views) -> Tensor:
        refusal, truth = views["refusal"], views["forget"]
        return dpo_loss(
            win=refusal.logps,
            lose=truth.logps,
            ref_win=given(refusal.ref_logps),
            ref_lose=given(truth.ref_logps),
            beta=self.beta,
        )
