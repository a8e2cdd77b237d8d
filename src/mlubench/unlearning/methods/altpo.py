"""AltPO: the model's own guess preferred to the truth."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import altpo_loss
from mlubench.unlearning.methods.base import Method, Views, given, positive


@dataclass(frozen=True)
class AltPO(Method):
    """2/b mean softplus(-b(log p/p_ref of the alternate - the same of the truth)) + alpha x NLL of retain
    (Mekala et al. 2025, arXiv 2409.13474).

    As published: the loss, and alternates made by the model itself before training. Assumed: how they are made. The paper
    tells the model to make up another answer, which takes a model that follows instructions, and makes several for each
    question. Here the base guesses one from the question in words alone (`unlearning/alternates.py`).
    """

    needs = ("alternate", "forget", "retain")
    reference = {"alternate": "logps", "forget": "logps"}
    beta: float = 0.1  # how far the model may move from the reference: the larger, the less
    alpha: float = 1.0  # how much holding counts beside the preference

    def __post_init__(self) -> None:
        positive(beta=self.beta, alpha=self.alpha)

    def loss(self, views: Views) -> Tensor:
        alternate, truth = views["alternate"], views["forget"]
        preference = altpo_loss(
            win=alternate.logps,
            lose=truth.logps,
            ref_win=given(alternate.ref_logps),
            ref_lose=given(truth.ref_logps),
            beta=self.beta,
        )
        return preference + self.alpha * views["retain"].nll
