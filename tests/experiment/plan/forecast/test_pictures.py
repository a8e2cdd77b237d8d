"""Tokens of pictures by hand, from the published numbers alone."""

import pytest

from mlubench.experiment.plan.forecast.pictures import PictureSize, picture_load, usual_size
from mlubench.models.sizes import Shape, published_shape
from mlubench.settings.model import ModelConfig
from mlubench.types import Benchmark


def published(name: str) -> Shape:
    shape = published_shape(ModelConfig(path=name, dtype="bfloat16"))
    assert shape is not None
    return shape


# LLaVA-1.5: 24 x 24 patches of a square. LLaVA-v1.6: those of the whole picture, and of a grid of 48 x 48 the 36 rows
# that a picture of 4 to 3 fills, each with a mark at its end. Qwen3-VL: a token for each 32 x 32 pixels.
@pytest.mark.parametrize(
    ("name", "size", "tokens"),
    [
        ("llava-1.5-7b-hf", (640, 480), 24 * 24),
        ("llava-v1.6-vicuna-7b-hf", (640, 480), 24 * 24 + 36 * (48 + 1)),
        ("Qwen3-VL-4B-Instruct", (640, 480), (640 // 32) * (480 // 32)),
        ("Qwen3-VL-4B-Instruct", (1024, 768), (1024 // 32) * (768 // 32)),
    ],
)
def test_tokens_of_a_picture(name: str, size: tuple[int, int], tokens: int) -> None:
    shape = published(name)
    load = picture_load(shape.mllm, shape.image_processor, PictureSize(*size))
    assert load.tokens == tokens
    deeper = 3 if name.startswith("Qwen3") else 0
    assert load.bytes == 2 * tokens * shape.hidden * (1 + deeper)


def test_the_tower_of_llava_by_hand() -> None:
    """CLIP-L/14 on 577 tokens, all 24 layers of it, and the projector on 576."""
    shape = published("llava-1.5-7b-hf")
    load = picture_load(shape.mllm, shape.image_processor, PictureSize(336, 336))
    patches = 2 * 576 * (3 * 14 * 14) * 1024
    products = 2 * 577 * (4 * 1024**2 + 2 * 1024 * 4096)
    attention = 4 * 577**2 * 1024
    projector = 2 * 576 * (1024 * 4096 + 4096**2)
    assert load.count.flops == patches + 24 * (products + attention) + projector


def test_the_middle_size_of_a_benchmark(whole_benchmark: Benchmark) -> None:
    size = usual_size(whole_benchmark)
    assert size is not None
    sample = next(sample for sample in whole_benchmark.samples if sample.image)
    path = whole_benchmark.picture(sample)
    assert path is not None
    from PIL import Image

    with Image.open(path) as picture:
        assert size == picture.size  # all are drawn alike
    assert usual_size(None) is None
