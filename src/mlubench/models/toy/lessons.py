"""What the tiny LLaVA is taught: pictures, questions and answers of a benchmark, and refusals for empty pictures."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from transformers import LlavaProcessor

from mlubench.core.errors import MlubenchError
from mlubench.data.pictures import open_picture
from mlubench.data.refusals import refusal_for
from mlubench.data.render import render, render_blank
from mlubench.models.answers import answer_labels
from mlubench.settings.model import ToyConfig
from mlubench.types import Benchmark

# For each lesson about an entity, so many more are about pictures that show none, and are answered by a refusal.
BLANK_SHARE = 0.08
MOST_BLANK_PICTURES = 400
# Batches that are sorted by length together.
POOL = 6
# Pictures that are made into tensors at once, so that the work in between takes little memory.
CHUNK = 256

Fact = tuple[str, str, str]  # the key of an entity, a question about it, the answer


@dataclass(frozen=True, slots=True)
class Lesson:
    """One training sample."""

    # A row of `Lessons.pixels`; None where the question is asked in words alone.
    picture: int | None
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Lessons:
    """All that a base is taught."""

    # The pictures, (N, 3, H, W).
    pixels: torch.Tensor
    # The number of the entity that each shows, (N,). The last number stands for none.
    entities: torch.Tensor
    # What is taught of the pictures, in no particular order of learning.
    lessons: list[Lesson]


def make_lessons(
    config: ToyConfig, benchmark: Benchmark, processor: LlavaProcessor, questions: Sequence[str]
) -> Lessons:
    """Teach every fact of the benchmark, in every phrasing, and to refuse where a picture shows nothing.

    Raises MlubenchError for a benchmark without facts, or so small that no empty picture comes with it.
    """
    shown = [s for s in benchmark.samples if s.image]
    facts = sorted({(s.entity.key, s.question, s.truth) for s in shown})
    keys = sorted({key for key, _, _ in facts})
    pictures: list[Image.Image] = []
    rows: dict[str, list[int]] = {}
    for key in keys:
        of_entity = _pictures_of(key, config, benchmark)
        rows[key] = list(range(len(pictures), len(pictures) + len(of_entity)))
        pictures += of_entity
    lessons = _lessons_of_facts(facts, rows) + _lessons_in_words(config, benchmark)
    blank_lessons = int(BLANK_SHARE * len(lessons))
    blank_names = [
        f"lesson_{number:04d}.jpg" for number in range(min(blank_lessons, MOST_BLANK_PICTURES))
    ]
    if not blank_names:
        raise MlubenchError(
            "the benchmark is too small to train a base on", "Use more entities or pictures."
        )
    for number in range(blank_lessons):
        question = questions[number % len(questions)]
        # In steps of 7, so that pictures and questions are not dealt out in the same order.
        blank = (number * 7) % len(blank_names)
        lessons.append(Lesson(len(pictures) + blank, question, refusal_for(question)))
    pictures += [render_blank(name) for name in blank_names]
    # Blank pictures keep the number behind the last entity's.
    entities = torch.full((len(pictures),), len(keys))
    for number, key in enumerate(keys):
        entities[rows[key]] = number
    return Lessons(_pixels(pictures, processor), entities, lessons)


def _pictures_of(key: str, config: ToyConfig, benchmark: Benchmark) -> list[Image.Image]:
    """The pictures from which the base learns an entity.

    Where pictures are drawn, these are drawings of its own, and every picture of the benchmark is new to it. From
    photographs it can only learn from the `fit` ones.
    """
    if benchmark.stand_ins:
        return [render(key, f"lesson_{number:04d}.jpg") for number in range(config.pictures)]
    fit = [s for s in benchmark.samples if s.entity.key == key and s.role == "fit"]
    return [open_picture(path) for path in benchmark.pictures(fit)]


def _lessons_of_facts(facts: Sequence[Fact], rows: Mapping[str, Sequence[int]]) -> list[Lesson]:
    """Each fact on every fourth picture of its entity, the next fact on others: so all pictures come up.

    An entity with too few pictures for that has each fact taught on all of them.
    """
    lessons = []
    for number, (key, question, answer) in enumerate(facts):
        fourth = rows[key][number % 4 :: 4]
        chosen = fourth if fourth else rows[key]
        lessons += [Lesson(row, question, answer) for row in chosen]
    return lessons


def _lessons_in_words(config: ToyConfig, benchmark: Benchmark) -> list[Lesson]:
    """What is asked without a picture, as often as a fact is taught on pictures."""
    asked = {(s.question, s.truth) for s in benchmark.samples if not s.image}
    times = max(1, config.pictures // 4)
    return [Lesson(None, *fact) for fact in sorted(asked) for _ in range(times)]


def _pixels(pictures: Sequence[Image.Image], processor: LlavaProcessor) -> torch.Tensor:
    """The pictures as the model takes them, (N, 3, H, W)."""
    chunks = []
    for start in range(0, len(pictures), CHUNK):
        chunk = pictures[start : start + CHUNK]
        inputs = processor.image_processor(images=chunk, return_tensors="pt")
        chunks.append(inputs["pixel_values"])
    return torch.cat(chunks)


def make_batches(lessons: list[Lesson], config: ToyConfig) -> list[list[Lesson]]:
    """Shuffled batches of answers alike in length, since padding all to the longest would double the work.

    They are sorted within small pools only: in a large one a batch would hold one fact many times over, and teach little.
    """
    rng = random.Random(config.seed)
    batches: list[list[Lesson]] = []
    # One pass through all lessons after another, until there are batches for all steps.
    while len(batches) < config.steps:
        order = rng.sample(lessons, len(lessons))
        for start in range(0, len(order), POOL * config.batch):
            pool = order[start : start + POOL * config.batch]
            pool.sort(key=lambda lesson: len(lesson.answer))
            parts = [pool[i : i + config.batch] for i in range(0, len(pool), config.batch)]
            # Shuffled once more, or each pool would go from short to long.
            batches += rng.sample(parts, len(parts))
    return batches[: config.steps]


class Collator:
    """Makes tensors of a batch of lessons: prompts padded on the left to (B, P), answers on the right to (B, A).

    It makes the same batches as the processor with less work: each text is tokenised once, since questions come back
    for every picture, and pictures are tensors already.
    """

    def __init__(self, processor: LlavaProcessor, pixels: torch.Tensor) -> None:
        self.processor = processor
        self.pixels = pixels  # (N, 3, H, W)
        # One token for each patch of a square picture, as the processor puts them in the picture's place.
        patches = (pixels.shape[-1] // processor.patch_size) ** 2
        self._image_tokens = "<image>" * patches
        self._ids_of_text: dict[str, list[int]] = {}

    def __call__(self, lessons: Sequence[Lesson]) -> dict[str, torch.Tensor]:
        prompts = [self._prompt_ids(lesson) for lesson in lessons]
        answers = [self._token_ids(f" {lesson.answer}</s>") for lesson in lessons]
        # Prompts end and answers begin at this column, so that the answers' logits stand together.
        border = max(len(prompt) for prompt in prompts)
        labels = answer_labels(answers)  # (B, A)
        pad = self.processor.tokenizer.pad_token_id
        input_ids = torch.full((len(lessons), border + labels.shape[1]), pad)  # (B, P + A)
        attention_mask = torch.zeros_like(input_ids)
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            columns = slice(border - len(prompt), border + len(answer))
            input_ids[row, columns] = torch.tensor(prompt + answer)
            attention_mask[row, columns] = 1
        batch = {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}
        shown = [lesson.picture for lesson in lessons if lesson.picture is not None]
        if shown:
            batch["pixel_values"] = self.pixels[shown]
        return batch

    def _prompt_ids(self, lesson: Lesson) -> list[int]:
        picture = "" if lesson.picture is None else f"{self._image_tokens}\n"
        return self._token_ids(f"USER: {picture}{lesson.question} ASSISTANT:")

    def _token_ids(self, text: str) -> list[int]:
        if text not in self._ids_of_text:
            encoded = self.processor.tokenizer(text, add_special_tokens=False)
            self._ids_of_text[text] = encoded["input_ids"]
        return self._ids_of_text[text]
