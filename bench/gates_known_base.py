"""A tiny LLaVA that soon learns one fact of each of a thousand entities: its tower is the network that knows emblems.

The toy's own tower would have to learn that first, which takes most of an hour. This one is not trained at all, so pictures
are looked at once and the language model learns from what was seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoImageProcessor, LlavaProcessor
from transformers.modeling_outputs import BaseModelOutput

from mlubench.core.cache import cache_root
from mlubench.core.files import digest, file_sha256, is_whole, whole_dir
from mlubench.data.render import render
from mlubench.models.families import parts_of
from mlubench.models.mllm import MLLM
from mlubench.models.toy.base import build_model, build_processor
from mlubench.models.toy.eye import FOLDER, EmblemEyeModel
from mlubench.models.toy.lessons import Collator, Lesson, make_batches
from mlubench.models.toy.teaching import teach_to_answer
from mlubench.settings.model import ToyConfig
from mlubench.types import Benchmark

# Raised whenever the same facts would give another base.
VERSION = 2
EYE_SIZE, EYE_WIDTH = 64, 128
# One token a picture: a patch is as large as the picture.
SHAPE = ToyConfig(
    width=128,
    vision_width=EYE_WIDTH,
    vision_layers=1,
    image_size=EYE_SIZE,
    patch=EYE_SIZE,
    vocabulary=4000,
    pictures=8,
    batch=48,
)
# How often it is taught each fact.
LESSONS = 40
FEWEST_STEPS = 60
CHUNK = 256  # pictures that are looked at together


@dataclass(frozen=True, slots=True)
class Taught:
    """A question about an entity and its answer."""

    key: str
    question: str
    answer: str


class EyeTower(nn.Module):
    """The network for emblems in the place of a tower. A picture that was looked at before comes as what was seen."""

    def __init__(self, eye: EmblemEyeModel) -> None:
        super().__init__()
        self.eye = eye
        self.config = eye.config

    def forward(self, pixel_values: Tensor, **_: object) -> BaseModelOutput:
        seen = self.seen(pixel_values) if pixel_values.ndim == 4 else pixel_values.flatten(1)
        # The first token is CLIP's summary of the picture, which LLaVA leaves out.
        tokens = torch.stack([seen, seen], 1)  # (B, 2, D)
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens,))

    def seen(self, pixels: Tensor) -> Tensor:
        """Rows (B, D) whose numbers have a variance of about 1."""
        with torch.no_grad():
            row = self.eye(pixels).last_hidden_state
        return F.normalize(row, dim=1) * EYE_WIDTH**0.5


def known_base(benchmark: Benchmark) -> MLLM:
    """The base that knows the benchmark, taught now unless the cache has it."""
    taught = _taught(benchmark)
    facts = len({one.key for one in taught})
    shape = SHAPE.model_copy(update={"steps": max(FEWEST_STEPS, LESSONS * facts // SHAPE.batch)})
    questions = sorted({one.question for one in taught})
    processor = build_processor(shape, [one.answer for one in taught], questions)
    processor.image_processor = AutoImageProcessor.from_pretrained(FOLDER, backend="pil")
    torch.manual_seed(shape.seed)
    model = build_model(shape, processor.tokenizer)
    eye = EmblemEyeModel.from_pretrained(FOLDER, dtype=torch.float32).eval()
    model.model.vision_tower = EyeTower(eye)
    made_of = {
        "version": VERSION,
        "shape": shape.model_dump(),
        "benchmark": benchmark.digest,
        "eye": file_sha256(FOLDER / "model.safetensors"),
        "torch": torch.__version__,
    }
    folder = cache_root() / "models" / f"known-{digest(made_of)}"
    if not is_whole(folder):
        with whole_dir(folder, {"made_of": made_of}) as out:
            _teach(model, processor, taught, shape)
            learned = {name: t.contiguous() for name, t in _learned(model).items()}
            save_file(learned, out / "learned.safetensors")
    model.load_state_dict(load_file(folder / "learned.safetensors"), strict=False)
    model.tie_weights()
    model.requires_grad_(False)
    return MLLM(model.eval(), processor, parts_of(model))


def _taught(benchmark: Benchmark) -> list[Taught]:
    found = {Taught(s.entity.key, s.question, s.truth): None for s in benchmark.samples}
    return list(found)


def _learned(model: nn.Module) -> dict[str, Tensor]:
    """All that teaching changes. The head shares the weights of the embeddings."""
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if "vision_tower" not in name and not name.startswith("lm_head")
    }


def _teach(
    model: nn.Module, processor: LlavaProcessor, taught: Sequence[Taught], shape: ToyConfig
) -> None:
    tower = model.model.vision_tower
    keys = sorted({one.key for one in taught})
    seen = torch.cat([_seen(tower, processor, key, shape.pictures) for key in keys])
    first = {key: number * shape.pictures for number, key in enumerate(keys)}
    lessons = []
    for one in taught:
        for picture in range(shape.pictures):
            lessons.append(Lesson(first[one.key] + picture, one.question, one.answer))
    # As wide as a picture, by which the collator counts tokens.
    collate = Collator(processor, seen.unflatten(1, (-1, EYE_SIZE)))
    batches = (collate(batch) for batch in make_batches(lessons, shape))
    teach_to_answer(model, batches, shape)


def _seen(tower: EyeTower, processor: LlavaProcessor, key: str, pictures: int) -> Tensor:
    """What the tower sees of pictures that are drawn for the lessons. (pictures, D)"""
    shown: list[Image.Image] = []
    for number in range(pictures):
        shown.append(render(key, f"lesson_{number:04d}.jpg"))
    inputs = processor.image_processor(images=shown, return_tensors="pt")
    return tower.seen(inputs["pixel_values"])
