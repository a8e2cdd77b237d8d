"""What a picture takes: how many tokens it becomes, and what the tower and the projector do for it."""

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.data.pictures import UnusablePictureError, opened
from mlubench.models.counting import Count, counted
from mlubench.models.mllm import MLLM
from mlubench.models.picture_tokens import enters_as_tokens, features_of_one
from mlubench.types import Benchmark

if TYPE_CHECKING:
    from transformers import BaseImageProcessor

# Pictures whose size is read.
SAMPLE = 200


class PictureSize(NamedTuple):
    """In pixels."""

    width: int
    height: int


# Where no picture is at hand: a photograph of the web.
USUAL = PictureSize(640, 480)


@dataclass(frozen=True, slots=True, eq=False)
class PictureLoad:
    """One picture as it passes through the model."""

    size: PictureSize
    # What the tower is given of it: pixels on the meta device, sizes and grids as they are.
    inputs: Mapping[str, Tensor]
    # That the language model reads.
    tokens: int
    # Of its features, as they are kept.
    bytes: int
    # Of the tower and the projector, without gradients.
    count: Count

    def batch(self, rows: int) -> dict[str, Tensor]:
        """What the tower is given of so many pictures, one below the other."""
        inputs = {}
        for name, value in self.inputs.items():
            inputs[name] = value.repeat(rows, *[1] * (value.ndim - 1))
        return inputs


def picture_load(mllm: MLLM, processor: "BaseImageProcessor", size: PictureSize) -> PictureLoad:
    """What a picture of that size takes. Raises MlubenchError for a family whose pictures do not enter as tokens."""
    if not enters_as_tokens(mllm.base):
        raise MlubenchError(
            "its text looks at pictures in layers of its own, which are not counted"
        )
    inputs = _tower_inputs(mllm, processor, size)
    with counted(mllm.base) as count, torch.no_grad():
        features = features_of_one(mllm.base, inputs)
    return PictureLoad(size, inputs, len(features.features), features.bytes, count)


def _tower_inputs(
    mllm: MLLM, processor: "BaseImageProcessor", size: PictureSize
) -> dict[str, Tensor]:
    """What the processor makes of a picture of that size, its pixels without their values."""
    made = processor(images=[[Image.new("RGB", size)]], return_tensors="pt")
    inputs = {}
    for name, value in made.items():
        if isinstance(value, Tensor):
            is_pixels = value.is_floating_point()
            inputs[name] = value.to("meta", mllm.base.dtype) if is_pixels else value
    return inputs


def usual_size(benchmark: Benchmark | None) -> PictureSize | None:
    """The middle width and height of the benchmark's pictures; None where none is there."""
    if benchmark is None:
        return None
    sizes = []
    for sample in _some([sample for sample in benchmark.samples if sample.image]):
        path = benchmark.picture(sample)
        try:
            if path is not None:
                with opened(path) as picture:
                    sizes.append(picture.size)
        except UnusablePictureError:
            # Of a benchmark that is not drawn or fetched yet.
            continue
    if not sizes:
        return None
    widths, heights = zip(*sizes, strict=True)
    return PictureSize(int(statistics.median(widths)), int(statistics.median(heights)))


def _some(samples: Sequence[Any]) -> list[Any]:
    return random.Random(0).sample(list(samples), min(SAMPLE, len(samples)))
