"""The rows that a language model reads of pictures, in every way that families give them."""

from pathlib import Path

import pytest
import torch

from mlubench.models.mllm import MLLM
from mlubench.models.picture_tokens import (
    as_encoder_outputs,
    enters_as_tokens,
    features_of_one,
    tokens_by_picture,
    vision_inputs,
)
from mlubench.models.query import Query


def places(mllm: MLLM, picture: Path) -> int:
    """How many tokens of a prompt stand for the picture."""
    ids = mllm.encode([Query(picture, "What?")])["input_ids"]
    return int((ids == mllm.base.config.image_token_id).sum())


@pytest.mark.parametrize("name", ["llava_next", "qwen3_vl", "internvl", "gemma3", "idefics3"])
def test_a_picture_has_as_many_rows_as_the_prompt_has_places(
    load_family, shapes: list[Path], name: str
) -> None:
    """Of InternVL and Idefics the model gives a tensor for each tile, or one for all."""
    mllm = load_family(name)
    rows = mllm.picture_tokens(shapes)
    assert [len(row) for row in rows] == [places(mllm, picture) for picture in shapes]


def test_tiles_are_no_pictures(load_family, shapes: list[Path]) -> None:
    mllm = load_family("internvl")
    pictures = [mllm.picture(path) for path in shapes[:2]]
    assert tokens_by_picture(mllm.base, mllm.parts, mllm.pixels(pictures), 2) is None
    one = tokens_by_picture(mllm.base, mllm.parts, mllm.pixels(pictures[:1]), 1)
    assert one is not None
    assert torch.equal(one[0], mllm.picture_tokens(shapes[:2])[0])


def test_tiles_that_only_fill_up_say_nothing(load_family, shapes: list[Path]) -> None:
    """Of Llama 3.2 Vision, where a tile is 16 patches and a summary."""
    mllm = load_family("mllama")
    assert not enters_as_tokens(mllm.base)
    processed = mllm.processor.image_processor(
        images=[[mllm.picture(path)] for path in shapes], return_tensors="pt"
    )
    tiles = processed["aspect_ratio_mask"].sum((1, 2)).tolist()
    assert min(tiles) < processed["pixel_values"].shape[2]
    assert [len(row) for row in mllm.picture_tokens(shapes)] == [17 * count for count in tiles]


@pytest.mark.parametrize(("name", "joined"), [("llava", False), ("gemma3", True)])
def test_features_are_handed_on_as_the_model_gives_them(
    load_family, shapes: list[Path], name: str, joined: bool
) -> None:
    mllm = load_family(name)
    with torch.no_grad():
        kept = [
            features_of_one(mllm.base, mllm.encode([Query(path, "What?")])) for path in shapes[:2]
        ]
    handed_on = as_encoder_outputs(kept)["image"].pooler_output
    assert isinstance(handed_on, torch.Tensor) == joined
    rows = handed_on if joined else torch.cat(list(handed_on))
    assert torch.equal(rows, torch.cat([each.features for each in kept]))


def test_the_tower_gets_what_it_takes_and_no_more(load_family, shapes: list[Path]) -> None:
    qwen = load_family("qwen3_vl")
    inputs = qwen.encode([Query(shapes[0], "What?")])
    assert set(vision_inputs(qwen.base, inputs)) == {"pixel_values", "image_grid_thw"}
    # Pixtral's tower wants sizes, which the outermost of LLaVA's methods does not name.
    pixtral = load_family("pixtral")
    inputs = pixtral.encode([Query(shapes[0], "What?")])
    assert set(vision_inputs(pixtral.base, inputs)) == {"pixel_values", "image_sizes"}
