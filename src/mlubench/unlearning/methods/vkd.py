"""VKD, visual knowledge distillation: forgotten pictures lose what they show before the language model sees them."""

from dataclasses import dataclass

from torch import Tensor

from mlubench.unlearning.losses import vkd_loss
from mlubench.unlearning.methods.base import Method, Views, given, positive


@dataclass(frozen=True)
class VKD(Method):
    """|v - mean v_ref of retain|^2 on forget + alpha x |v - v_ref|^2 on retain, v the features of pictures
    (after Wang et al. 2025, arXiv 2512.11325).

    As published: the language model is frozen, tower and projector alone are trained, the teacher is the model at the
    start, and its visual features supervise both what goes and what stays. Assumed: the distances, as the paper's formulas
    could not be looked up. Here a forgotten picture's features are drawn to the middle of the retained ones, so that
    nothing tells it from any other, and a retained picture's to where they were. The paper's masks on weights are left
    out. It needs `train.scope: vision`.
    """

    needs = ("forget", "retain")
    reference = {"retain": "pictures"}
    alpha: float = 1.0  # how much holding counts beside losing

    def __post_init__(self) -> None:
        positive(alpha=self.alpha)

    def loss(self, views: Views) -> Tensor:
        forget, retain = views["forget"], views["retain"]
        return vkd_loss(
            given(forget.pictures),
            given(forget.picture_mask),
            given(retain.pictures),
            given(retain.ref_pictures),
            given(retain.picture_mask),
            alpha=self.alpha,
        )
