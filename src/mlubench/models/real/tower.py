"""EfficientNet-lite0 as the vision tower of a LLaVA: a config and a model class that transformers' Auto classes know.

Architecture: Tan and Le 2019 (arXiv 1905.11946) in TensorFlow's "lite" form, which has no squeeze-and-excitation and
has ReLU6 for swish. The weights are ImageNet's, trained by the TPU team of TensorFlow.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput

STEM_WIDTH = 32
HEAD_WIDTH = 1280
# TensorFlow's epsilon, which the weights were trained with.
NORM_EPS = 1e-3


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width. The first of them changes width and resolution."""

    blocks: int
    kernel: int
    stride: int
    # How many times wider a block is inside.
    expansion: int
    width: int


STAGES = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, width=16),
    Stage(blocks=2, kernel=3, stride=2, expansion=6, width=24),
    Stage(blocks=2, kernel=5, stride=2, expansion=6, width=40),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, width=80),
    Stage(blocks=3, kernel=5, stride=1, expansion=6, width=112),
    Stage(blocks=4, kernel=5, stride=2, expansion=6, width=192),
    Stage(blocks=1, kernel=3, stride=1, expansion=6, width=320),
)

# How many blocks there are up to the end of each stage.
STAGE_ENDS = tuple(accumulate(stage.blocks for stage in STAGES))


class EfficientNetLiteConfig(PreTrainedConfig):
    """What LLaVA reads of a tower: its width and its number of tokens."""

    model_type = "efficientnet_lite"

    def __init__(
        self,
        hidden_size: int = HEAD_WIDTH,
        image_size: int = 224,
        grid: int = 4,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.hidden_size = hidden_size
        # Pixels of a side.
        self.image_size = image_size
        # Tokens of a side. The last feature map, 7 x 7 at 224 pixels, is averaged down to so many.
        self.grid = grid
        # LLaVA counts a picture's tokens by it.
        self.patch_size = image_size // grid


class EfficientNetLiteModel(PreTrainedModel):
    """Pictures (B, 3, S, S) to tokens (B, grid * grid, 1280).

    Its batch norm never learns: it keeps ImageNet's statistics.
    """

    config_class = EfficientNetLiteConfig
    main_input_name = "pixel_values"
    input_modalities = ("image",)

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.stem = SameConv(3, STEM_WIDTH, kernel=3, stride=2)
        self.stem_norm = _norm(STEM_WIDTH)
        blocks = []
        width = STEM_WIDTH
        for stage in STAGES:
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(Block(width, stage, stride=stride))
                width = stage.width
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv(width, config.hidden_size, kernel=1)
        self.head_norm = _norm(config.hidden_size)
        self.post_init()

    def train(self, mode: bool = True) -> "EfficientNetLiteModel":
        return super().train(False)

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutput:
        x = pixel_values.to(self.dtype)
        x = F.relu6(self.stem_norm(self.stem(x)))
        maps = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in STAGE_ENDS:
                maps.append(x)
        x = F.relu6(self.head_norm(self.head(x)))  # (B, 1280, 7, 7)
        x = F.adaptive_avg_pool2d(x, self.config.grid)
        tokens = x.flatten(2).transpose(1, 2)  # (B, grid * grid, 1280)
        # LLaVA picks the last of the hidden states. The others, (B, width, side, side), are for whoever looks deeper.
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(*maps, tokens))

    def _init_weights(self, module: nn.Module) -> None:
        # By transformers' own functions alone: they leave what has been loaded, statistics of batch norm included.
        if isinstance(module, nn.Conv2d):
            # He et al. 2015 by outputs. A depthwise layer has only its own channel's.
            outputs = module.weight[0, 0].numel() * module.out_channels // module.groups
            init.normal_(module.weight, std=(2 / outputs) ** 0.5)
        else:
            super()._init_weights(module)


class Block(nn.Module):
    """An inverted residual: widen, look around in each channel, narrow."""

    def __init__(self, width: int, stage: Stage, *, stride: int) -> None:
        super().__init__()
        inner = width * stage.expansion
        self.is_residual = stride == 1 and width == stage.width
        self.is_wider = stage.expansion > 1
        if self.is_wider:
            self.expand = SameConv(width, inner, kernel=1)
            self.expand_norm = _norm(inner)
        self.depthwise = SameConv(inner, inner, kernel=stage.kernel, stride=stride, groups=inner)
        self.depthwise_norm = _norm(inner)
        self.project = SameConv(inner, stage.width, kernel=1)
        self.project_norm = _norm(stage.width)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.is_wider:
            y = F.relu6(self.expand_norm(self.expand(y)))
        y = F.relu6(self.depthwise_norm(self.depthwise(y)))
        y = self.project_norm(self.project(y))
        return x + y if self.is_residual else y


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow's "SAME" does: where the padding is odd, right and below get one more."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self._padding(x.shape[-1])
        top, bottom = self._padding(x.shape[-2])
        return super().forward(F.pad(x, (left, right, top, bottom)))

    def _padding(self, size: int) -> tuple[int, int]:
        """Pixels before and behind a side of `size` pixels."""
        kernel = self.kernel_size[0]
        stride = self.stride[0]
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=NORM_EPS)


# The names in the published checkpoint, and ours. Its classifier is left out.
_NAMES = (
    (r"^_conv_stem\.", "stem."),
    (r"^_bn0\.", "stem_norm."),
    (r"^_conv_head\.", "head."),
    (r"^_bn1\.", "head_norm."),
    (r"^_blocks\.", "blocks."),
    (r"\._expand_conv\.", ".expand."),
    (r"\._bn0\.", ".expand_norm."),
    (r"\._depthwise_conv\.", ".depthwise."),
    (r"\._bn1\.", ".depthwise_norm."),
    (r"\._project_conv\.", ".project."),
    (r"\._bn2\.", ".project_norm."),
)
_CLASSIFIER = "_fc."


def from_checkpoint(state: Mapping[str, Tensor]) -> EfficientNetLiteModel:
    """The tower with the weights of efficientnet-lite0-57934424.pth. Raises RuntimeError where a weight is missing."""
    renamed = {}
    for name, tensor in state.items():
        if name.startswith(_CLASSIFIER):
            continue
        for pattern, ours in _NAMES:
            name = re.sub(pattern, ours, name)  # noqa: PLW2901 - each pattern goes on from the last
        renamed[name] = tensor
    model = EfficientNetLiteModel(EfficientNetLiteConfig())
    model.load_state_dict(renamed)
    return model.eval()
