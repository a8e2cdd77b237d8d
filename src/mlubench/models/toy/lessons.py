"""What the tiny LLaVA is taught: pictures, questions and answers of a benchmark, and refusals for empty pictures."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LlavaProcessor

from mlubench.core.errors import MlubenchError
from mlubench.data.pictures import open_picture
from mlubench.data.refusals import refusal_for
from mlubench.data.render import render, render_blank
from mlubench.models.answers import IGNORE
from mlubench.settings.model import ToyConfig
from mlubench.types import Benchmark

BLANK_SHARE = 0.08  # of the lessons show no entity and are answered by a refusal
POOL = 6  # batches that are sorted by length together


@dataclass(frozen=True, slots=True)
class Lesson:
    """One training sample: a row of the picture table, what is asked, and what is right."""

    picture: int
    question: str
    answer: str


def make_lessons(
    config: ToyConfig, benchmark: Benchmark, processor: LlavaProcessor, questions: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor, list[Lesson]]:
    """Pictures (N, 3, H, W), which entity each shows (N,), the last number standing for none, and what is taught of them.

    Where pictures are drawn, the base learns its entities from drawings of its own, and every picture of the benchmark is
    new to it; from photographs it can only learn from the `fit` ones.
    """
    pictures: list[Any] = []
    lessons: list[Lesson] = []
    rows: dict[str, list[int]] = {}
    facts = sorted({(s.entity.key, s.question, s.truth) for s in benchmark.samples})
    for key in sorted({f[0] for f in facts}):
        if benchmark.stand_ins:
            shown = [render(key, f"lesson_{n:04d}.jpg") for n in range(config.pictures)]
        else:
            paths = {
                benchmark.picture(s)
                for s in benchmark.samples
                if s.entity.key == key and s.role == "fit"
            }
            shown = [open_picture(p) for p in sorted(paths)]
        rows[key] = list(range(len(pictures), len(pictures) + len(shown)))
        pictures += shown
    for turn, (key, question, answer) in enumerate(facts):
        lessons += [Lesson(row, question, answer) for row in rows[key][turn % 4 :: 4] or rows[key]]
    blanks = int(BLANK_SHARE * len(lessons))
    first = len(pictures)
    pictures += [render_blank(f"lesson_{n:04d}.jpg") for n in range(min(blanks, 400))]
    count = len(pictures) - first
    for n in range(blanks):
        question = questions[n % len(questions)]
        lessons.append(Lesson(first + (n * 7) % count, question, refusal_for(question)))
    if not rows or not count:
        raise MlubenchError(
            "the benchmark is too small to train a base on", "Use more entities or pictures."
        )
    chunks = [
        processor.image_processor(images=pictures[i : i + 256], return_tensors="pt")["pixel_values"]
        for i in range(0, len(pictures), 256)
    ]
    shown_by = torch.full((len(pictures),), len(rows))
    for number, key in enumerate(rows):
        shown_by[rows[key]] = number
    return torch.cat(chunks), shown_by, lessons


def make_batches(lessons: list[Lesson], config: ToyConfig) -> list[list[Lesson]]:
    """Shuffled batches of answers alike in length, since padding all to the longest would double the work.

    They are sorted within small pools only: in a large one a batch would hold one fact many times over, and teach little.
    """
    rng = random.Random(config.seed)
    batches: list[list[Lesson]] = []
    while len(batches) < config.steps:
        order = rng.sample(lessons, len(lessons))
        for start in range(0, len(order), POOL * config.batch):
            pool = sorted(order[start : start + POOL * config.batch], key=lambda x: len(x.answer))
            parts = [pool[i : i + config.batch] for i in range(0, len(pool), config.batch)]
            batches += rng.sample(parts, len(parts))
    return batches[: config.steps]


class Collator:
    """Makes tensors of a batch of lessons. Prompts are tokenised once each, since questions come back for every picture."""

    def __init__(self, processor: LlavaProcessor, pixels: torch.Tensor) -> None:
        self.processor, self.pixels = processor, pixels
        self.texts: dict[str, list[int]] = {}
        self.image = "<image>" * ((pixels.shape[-1] // processor.patch_size) ** 2)

    def ids(self, text: str) -> list[int]:
        if text not in self.texts:
            self.texts[text] = self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        return self.texts[text]

    def __call__(self, lessons: list[Lesson]) -> dict[str, torch.Tensor]:
        prompts = [self.ids(f"USER: {self.image}\n{x.question} ASSISTANT:") for x in lessons]
        answers = [self.ids(f" {x.answer}</s>") for x in lessons]
        wide, long = max(map(len, prompts)), max(map(len, answers))
        ids = torch.full((len(lessons), wide + long), self.processor.tokenizer.pad_token_id)
        mask, labels = torch.zeros_like(ids), torch.full((len(lessons), long), IGNORE)
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            ids[row, wide - len(prompt) : wide + len(answer)] = torch.tensor(prompt + answer)
            mask[row, wide - len(prompt) : wide + len(answer)] = 1
            labels[row, : len(answer)] = torch.tensor(answer)
        pixels = self.pixels[[x.picture for x in lessons]]
        return {"input_ids": ids, "attention_mask": mask, "labels": labels, "pixel_values": pixels}
