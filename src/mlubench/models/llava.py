"""What the LLaVAs that are put together here share: how their projector begins."""

import torch
from transformers import LlavaForConditionalGeneration


def start_projector(model: LlavaForConditionalGeneration) -> None:
    """Draw the projector's matrices at random, so that what passes through keeps its size.

    transformers' own start is made for wider models.
    """
    projector = model.model.multi_modal_projector
    for layer in (projector.linear_1, projector.linear_2):
        torch.nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
