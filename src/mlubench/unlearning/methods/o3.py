"""O3: a refusal, by an adapter that reads other directions than those of earlier requests."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.methods.base import Method, Views, positive


@dataclass(frozen=True)
class O3(Method):
    """NLL of a refusal + orthogonal x the sum over earlier adapters A_i of |A_i A^T|^2 (Gao et al. 2024, arXiv 2407.10223).

    As published: no retain data, and a LoRA whose A is kept orthogonal to those of earlier requests, with a weight of 0.1.
    The paper's second half, a detector that says whether and how far to switch the LoRA on, is LUMoE's gate here:
    `lumoe.expert: o3`. Alone, it is O3 without its detector. Assumed: a refusal where the paper trains on random answers;
    and that each request in the sequence trains a new adapter over the earlier ones, which are held.
    """

    needs = ("refusal",)
    orthogonal: float = 0.1

    def __post_init__(self) -> None:
        positive(orthogonal=self.orthogonal)

    def loss(self, views: Views) -> Tensor:
        return views["refusal"].nll
