"""KL: gradient ascent on what is to be forgotten, while what must stay is answered as the reference answers it."""

from torch import Tensor

from mlubench.unlearning.losses import kl_loss
from mlubench.unlearning.methods.base import Method, Views, given


class KL(Method):
    """-NLL of forget + KL(reference || current) on retain, over answer tokens (Maini et al. 2024, arXiv 2401.06121)."""

    needs = ("forget", "retain")
    reference = {"retain": "logits"}

    def loss(self, views: Views) -> Tensor:
        retain = views["retain"]
        return -views["forget"].nll + kl_loss(
            given(retain.ref_logits), given(retain.logits), retain.mask
        )


class KLAll(Method):
    """The same with the KL over every position, prompt and picture included, as the benchmark's authors released it."""

    needs = ("forget", "retain")
    reference = {"retain": "all_logits"}

    def loss(self, views: Views) -> Tensor:
        retain = views["retain"]
        held = kl_loss(
            given(retain.ref_all_logits), given(retain.all_logits), given(retain.all_mask)
        )
        return -views["forget"].nll + held
