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
    beta: float = 0.1

    def __post_init__(self) -> None:
        positive(beta=self.beta)

    def loss(self, views: Views) -> Tensor:
        win, lose = views["refusal"], views["forget"]
        return dpo_loss(
            win.logps, lose.logps, given(win.ref_logps), given(lose.ref_logps), beta=self.beta
        )
