"""UNDIAL: the model learns from itself with the true tokens made unlikely."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import undial_loss
from mlubench.unlearning.methods.base import Method, Views, given, positive


@dataclass(frozen=True)
class UNDIAL(Method):
    """Cross-entropy of the forget answers to softmax(z_ref - beta 1_y), without retain data (arXiv 2402.10052).

    As published: the teacher is the model at the start, with the logit of each true token lowered by beta. Assumed: all
    tokens of an answer are lowered, where the paper may choose some (names, nouns), and beta, which is open-unlearning's.
    """

    needs = ("forget",)
    reference = {"forget": "logits"}
    beta: float = 10.0  # how far the true token's logit is lowered

    def __post_init__(self) -> None:
        positive(beta=self.beta)

    def loss(self, views: Views) -> Tensor:
        forget = views["forget"]
        return undial_loss(
            given(forget.logits),
            given(forget.ref_logits),
            given(forget.tokens),
            forget.mask,
            beta=self.beta,
        )
