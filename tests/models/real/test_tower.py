"""EfficientNet-lite0: padding worked out by hand, the published names, and the whole path inside a LLaVA."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mlubench.models.real.tower import (
    EfficientNetLiteConfig,
    EfficientNetLiteModel,
    SameConv,
    from_checkpoint,
)


def published(model: EfficientNetLiteModel) -> dict[str, torch.Tensor]:
    """The model's weights under the names that the published checkpoint has for them, with its classifier."""
    names = {
        "stem.": "_conv_stem.",
        "stem_norm.": "_bn0.",
        "head.": "_conv_head.",
        "head_norm.": "_bn1.",
    }
    inside = {
        "expand": "_expand_conv",
        "expand_norm": "_bn0",
        "depthwise": "_depthwise_conv",
        "depthwise_norm": "_bn1",
        "project": "_project_conv",
        "project_norm": "_bn2",
    }
    state = {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    for name, tensor in model.state_dict().items():
        if name.startswith("blocks."):
            _, number, layer, last = name.split(".")
            state[f"_blocks.{number}.{inside[layer]}.{last}"] = tensor
        else:
            start, last = name.split(".")
            state[names[f"{start}."] + last] = tensor
    return state


def test_it_has_the_published_number_of_parameters() -> None:
    model = EfficientNetLiteModel(EfficientNetLiteConfig())
    assert sum(p.numel() for p in model.parameters()) == 3_371_008


def test_a_picture_becomes_a_square_of_tokens() -> None:
    model = EfficientNetLiteModel(EfficientNetLiteConfig()).eval()
    output = model(torch.zeros(2, 3, 224, 224))
    assert output.last_hidden_state.shape == (2, 16, 1280)
    assert output.hidden_states[-1] is output.last_hidden_state


def test_the_padding_is_tensorflows() -> None:
    # 4 pixels, kernel 3, stride 2: two outputs take 5 pixels, and the one that is missing is added behind.
    conv = SameConv(1, 1, kernel=3, stride=2)
    nn.init.ones_(conv.weight)
    row = torch.tensor([1.0, 2.0, 3.0, 4.0])
    picture = torch.zeros(1, 1, 4, 4)
    picture[0, 0, 0] = row
    sums = conv(picture)
    assert sums[0, 0, 0].tolist() == [1 + 2 + 3, 3 + 4]
    assert sums.shape == (1, 1, 2, 2)


def test_weights_come_under_their_published_names() -> None:
    torch.manual_seed(0)
    model = EfficientNetLiteModel(EfficientNetLiteConfig()).eval()
    again = from_checkpoint(published(model))
    picture = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(model(picture)[0], again(picture)[0])


def test_a_missing_weight_is_an_error() -> None:
    state = published(EfficientNetLiteModel(EfficientNetLiteConfig()))
    del state["_blocks.3._depthwise_conv.weight"]
    with pytest.raises(RuntimeError, match=r"blocks\.3\.depthwise\.weight"):
        from_checkpoint(state)


def test_training_leaves_its_statistics_alone(tmp_path: Path) -> None:
    model = EfficientNetLiteModel(EfficientNetLiteConfig()).train()
    before = model.stem_norm.running_mean.clone()
    model(torch.rand(2, 3, 224, 224))
    assert torch.equal(model.stem_norm.running_mean, before)
