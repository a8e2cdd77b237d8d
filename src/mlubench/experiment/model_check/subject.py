"""The model that is checked, with the pictures and records that it is tried on: drawn here, so that nothing is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark, Entity, Sample, Split, Task

# Wide, high, square and large, square and small: families cut, pad and shrink them differently.
SHAPES = ((88, 60), (40, 100), (96, 96), (64, 64))
QUESTIONS = (
    "What is it?",
    "Which building do you see in this picture, and where does it stand?",
    "Who made it?",
    "Is it old?",
)
ANSWERS = (
    "A tower",
    "It is a building in the old town.",
    "I do not know who made this one.",
    "Yes.",
)
# Of one colour each, so that pictures differ in large patches, as photographs do.
BLOCK = 4
# How far logits may lie from those that they should equal, in standard deviations of all: rounding is far below, and a
# token too much or a picture too few far above. In half precision and on a quantised base rounding is coarser.
TOLERANCE = 1e-3
HALF_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Subject:
    """A loaded model, and what it is asked."""

    mllm: MLLM
    queries: tuple[Query, ...]
    benchmark: Benchmark
    # For what the steps write.
    folder: Path

    @property
    def rounds(self) -> bool:
        """Whether numbers are so coarse that what stands beside a row may change its last digits."""
        return self.mllm.base.dtype != torch.float32 or self.mllm.quantization != "none"

    @property
    def tolerance(self) -> float:
        return HALF_TOLERANCE if self.rounds else TOLERANCE

    def answer_rows(self, asked: Sequence[tuple[Query, str]]) -> list[Tensor]:
        """Logits (A, V) of each answer behind its question, all in one batch."""
        queries = [query for query, _ in asked]
        answers = [answer for _, answer in asked]
        with self.mllm.no_gradients():
            logits, labels = answer_logits(self.mllm.model, self.mllm.encode(queries, answers))
        rows = []
        for row, ids in zip(logits.float(), labels, strict=True):
            rows.append(row[ids >= 0])
        return rows

    def require_equal(self, got: Tensor, wanted: Tensor, what: str) -> float:
        """The largest distance of two tensors of logits (N, V), over tokens. MlubenchError where it is no rounding."""
        found = distance(got, wanted)
        # Written so that what is no number fails too.
        if not found <= self.tolerance:
            raise MlubenchError(f"{what} by {found:.2g} standard deviations")
        return found


def distance(got: Tensor, wanted: Tensor) -> float:
    """How far two tensors of logits (N, V) lie apart at the worst token, in standard deviations of all logits."""
    return float((got - wanted).abs().mean(-1).max() / wanted.std())


def make_subject(mllm: MLLM, folder: Path) -> Subject:
    """Draw the pictures into `folder`, and put questions and records beside them."""
    pictures = [_draw(folder, number) for number in range(len(SHAPES))]
    queries = tuple(Query(p, q) for p, q in zip(pictures, QUESTIONS, strict=True))
    return Subject(mllm, queries, _records(folder, pictures), folder)


def _draw(folder: Path, number: int) -> Path:
    width, height = SHAPES[number]
    rng = np.random.default_rng(number)
    colours = rng.integers(0, 256, (-(-height // BLOCK), -(-width // BLOCK), 3), dtype=np.uint8)
    blocks = Image.fromarray(colours).resize((width, height), Image.Resampling.NEAREST)
    path = folder / f"{width}x{height}.png"
    blocks.save(path)
    return path


def _records(folder: Path, pictures: list[Path]) -> Benchmark:
    """A task of two records to forget and two to keep, one for each picture."""
    samples = []
    for number, picture in enumerate(pictures):
        split: Split = "forget" if number < 2 else "retain"
        entity = Entity("Checks", f"Thing_{number}")
        samples.append(
            Sample(
                id=f"check-{number}",
                task="A",
                split=split,
                entity=entity,
                image=picture.name,
                question=QUESTIONS[number],
                truth=ANSWERS[number],
                fact=f"fact-{number}",
                phrasing=0,
                role="fit",
            )
        )
    task = Task("A", tuple(samples[:2]), tuple(samples[2:]))
    return Benchmark((task,), folder, stand_ins=True, digest="model-check")
