"""A small network that tells drawn emblems apart, as CLIP tells photographs: a gate looks with it where pictures are drawn.

The tower of the tiny LLaVA is too small for that: it was trained on some fifty emblems, and takes an unmet one for one of
these. This network was trained on 6,000 other emblems, which are in no world and no background, to say which of them a
picture shows (`bench/train_eye.py`). Its weights are in the folder `eye` beside this file.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

FOLDER = Path(__file__).parent / "eye"
# Channels of a group of the second convolution of a block.
GROUP = 16


class EmblemEyeConfig(PreTrainedConfig):
    """The shape of the network."""

    model_type = "emblem_eye"

    def __init__(
        self,
        widths: tuple[int, ...] = (48, 96, 192, 192),
        hidden_size: int = 128,
        image_size: int = 64,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        # Channels of each block. From the second on, a block halves the resolution.
        self.widths = list(widths)
        # Numbers that the head makes of what all blocks saw.
        self.hidden_size = hidden_size
        # Pixels of a side.
        self.image_size = image_size


class EmblemEyeModel(PreTrainedModel):
    """Pictures (B, 3, S, S) to an embedding (B, hidden_size), which is the last of the hidden states."""

    config_class = EmblemEyeConfig
    main_input_name = "pixel_values"
    input_modalities = ("image",)

    def __init__(self, config: EmblemEyeConfig) -> None:
        super().__init__(config)
        first = config.widths[0]
        self.stem = nn.Conv2d(3, first, 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(first)
        before = [first, *config.widths[:-1]]
        blocks = []
        for index, (inputs, outputs) in enumerate(zip(before, config.widths, strict=True)):
            blocks.append(Block(inputs, outputs, stride=1 if index == 0 else 2))
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(sum(config.widths), config.hidden_size)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutput:
        x = F.relu(self.stem_norm(self.stem(pixel_values.to(self.dtype))))
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        pooled = [F.layer_norm(seen.mean((2, 3)), seen.shape[1:2]) for seen in maps]
        embedding = self.head(torch.cat(pooled, 1))
        return BaseModelOutput(last_hidden_state=embedding, hidden_states=(embedding,))


class Block(nn.Module):
    """Two convolutions and a way round them."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        groups = outputs // GROUP
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, groups=groups, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.shortcut(x) + self.second_norm(self.second(y)))
