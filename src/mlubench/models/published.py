"""Published models whose shapes are known without a file of theirs: what they say of their layers and of pictures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import (
        BaseImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaNextConfig,
        PreTrainedConfig,
        Qwen3VLConfig,
    )


@dataclass(frozen=True, slots=True)
class Published:
    """What a published repository says of its model."""

    config: Callable[[], "PreTrainedConfig"]
    image_processor: Callable[[], "BaseImageProcessor"]


def _clip_336() -> "CLIPVisionConfig":
    """CLIP-L/14 at 336 pixels, the tower of all LLaVA here."""
    from transformers import CLIPVisionConfig

    return CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )


def _vicuna(*, hidden: int, intermediate: int, layers: int) -> "LlamaConfig":
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=32064,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 128,  # Vicuna's heads are 128 wide
        max_position_embeddings=4096,
    )


def _llava_1_5(*, hidden: int, intermediate: int, layers: int) -> "LlavaConfig":
    """LLaVA-1.5: one picture of 336 pixels, 576 tokens."""
    from transformers import LlavaConfig

    return LlavaConfig(
        vision_config=_clip_336(),
        text_config=_vicuna(hidden=hidden, intermediate=intermediate, layers=layers),
        image_token_index=32000,
        vision_feature_layer=-2,
        tie_word_embeddings=False,
    )


def _llava_1_6(*, hidden: int, intermediate: int, layers: int) -> "LlavaNextConfig":
    """LLaVA-v1.6: the picture whole, and up to four tiles of it."""
    from transformers import LlavaNextConfig

    return LlavaNextConfig(
        vision_config=_clip_336(),
        text_config=_vicuna(hidden=hidden, intermediate=intermediate, layers=layers),
        image_token_index=32000,
        tie_word_embeddings=False,
    )


def _qwen3_vl_4b() -> "Qwen3VLConfig":
    from transformers import Qwen3VLConfig

    vision = {
        "depth": 24,
        "hidden_size": 1024,
        "num_heads": 16,
        "intermediate_size": 4096,
        "out_hidden_size": 2560,
        "patch_size": 16,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [5, 11, 17],
    }
    rope = {
        "rope_type": "default",
        "rope_theta": 5e6,
        "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
    }
    text = {
        "vocab_size": 151936,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "rope_parameters": rope,
    }
    return Qwen3VLConfig(vision_config=vision, text_config=text, tie_word_embeddings=True)


# The backends by Pillow, as torchvision need not be here. Both make tensors of the same shape.
def _one_picture() -> "BaseImageProcessor":
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(
        size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
    )


def _tiles() -> "BaseImageProcessor":
    from transformers import LlavaNextImageProcessorPil

    return LlavaNextImageProcessorPil(
        size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
    )


def _any_size() -> "BaseImageProcessor":
    """Pictures keep their sides, in patches of 16 pixels of which four make a token."""
    from transformers import Qwen2VLImageProcessorPil

    pixels = {"shortest_edge": 256 * 256, "longest_edge": 4096 * 4096}
    return Qwen2VLImageProcessorPil(patch_size=16, merge_size=2, temporal_patch_size=2, size=pixels)


_7B = {"hidden": 4096, "intermediate": 11008, "layers": 32}
_13B = {"hidden": 5120, "intermediate": 13824, "layers": 40}
# By the name of their repository, so that a folder of that name is known before it is filled.
PUBLISHED: Mapping[str, Published] = {
    "llava-1.5-7b-hf": Published(partial(_llava_1_5, **_7B), _one_picture),
    "llava-1.5-13b-hf": Published(partial(_llava_1_5, **_13B), _one_picture),
    "llava-v1.6-vicuna-7b-hf": Published(partial(_llava_1_6, **_7B), _tiles),
    "llava-v1.6-vicuna-13b-hf": Published(partial(_llava_1_6, **_13B), _tiles),
    "Qwen3-VL-4B-Instruct": Published(_qwen3_vl_4b, _any_size),
}
