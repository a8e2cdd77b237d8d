"""MMUnlearner: gradient difference that moves only what matters to the visual concept."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.methods.base import Method, Views, positive


@dataclass(frozen=True)
class MMUnlearner(Method):
    """-NLL of forget + alpha x NLL of retain, by salient parameters alone (Huo et al. 2025, arXiv 2502.11051).

    As published: before training, squared gradients on the forget answers are set against those on what is to stay, and
    only parameters where the ratio is at least `threshold` move. Assumed: what is to stay is the retain samples; the paper
    adds what the model knows of the entity in words, of which our records hold nothing (retain samples in words alone count
    where a benchmark has them). The ratio is taken of the adapter's parameters, and one without any gradient is held: of a
    fresh LoRA that is A. The authors' code masks the ascent alone; here both terms are, as in the paper's formula.
    """

    needs = ("forget", "retain")
    spares = ("retain",)
    threshold: float = 1.0
    alpha: float = 1.0  # how much holding counts beside the ascent

    def __post_init__(self) -> None:
        positive(threshold=self.threshold, alpha=self.alpha)

    def loss(self, views: Views) -> Tensor:
        return -views["forget"].nll + self.alpha * views["retain"].nll
