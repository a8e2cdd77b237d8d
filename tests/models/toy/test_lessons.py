"""What the tiny LLaVA is taught, and that its quick collator makes exactly the batches of the real processor."""

from collections import Counter

import pytest
import torch

from mlubench.data.refusals import REFUSALS
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.toy.lessons import (
    BLANK_SHARE,
    POOL,
    Collator,
    Lesson,
    Lessons,
    make_batches,
    make_lessons,
)
from mlubench.settings.model import ToyConfig
from mlubench.types import Benchmark

SMALL = ToyConfig(pictures=8, steps=40, batch=4)


@pytest.fixture
def taught(mllm: MLLM, whole_benchmark: Benchmark) -> Lessons:
    questions = sorted({s.question for s in whole_benchmark.samples})
    return make_lessons(SMALL, whole_benchmark, mllm.processor, questions)


def test_every_fact_in_every_phrasing_is_taught(
    taught: Lessons, whole_benchmark: Benchmark
) -> None:
    pixels, entities, lessons = taught.pixels, taught.entities, taught.lessons
    keys = sorted({s.entity.key for s in whole_benchmark.samples})
    told = {
        (keys[entities[x.picture]], x.question, x.answer)
        for x in lessons
        if entities[x.picture] < len(keys)
    }
    assert told == {(s.entity.key, s.question, s.truth) for s in whole_benchmark.samples}
    shown = Counter(entities.tolist())
    assert all(shown[number] == SMALL.pictures for number in range(len(keys)))
    assert len(pixels) == len(entities) == sum(shown.values())


def test_empty_pictures_are_answered_by_refusals(
    taught: Lessons,
) -> None:
    entities, lessons = taught.entities, taught.lessons
    nothing = int(entities.max())
    blank = [x for x in lessons if entities[x.picture] == nothing]
    rest = [x for x in lessons if entities[x.picture] != nothing]
    assert blank and all(x.answer in REFUSALS for x in blank)
    assert not any(x.answer in REFUSALS for x in rest)
    assert len(blank) / len(rest) == pytest.approx(BLANK_SHARE, abs=0.01)


def test_the_benchmarks_own_pictures_are_not_taught(
    taught: Lessons, mllm: MLLM, whole_benchmark: Benchmark
) -> None:
    pixels = taught.pixels
    images = sorted({s.image for s in whole_benchmark.samples})[::5]
    pictures = [mllm.picture(whole_benchmark.image_root / i) for i in images]
    own = mllm.processor.image_processor(images=pictures, return_tensors="pt")["pixel_values"]
    # one drawn twice, saved as JPEG once, differs from itself by 2 to 7; different drawings by 30 and more
    assert torch.cdist(own.flatten(1), pixels.flatten(1)).min() > 15


def test_the_collator_makes_the_processors_batches(
    taught: Lessons, mllm: MLLM, whole_benchmark: Benchmark
) -> None:
    samples = list({s.entity: s for s in whole_benchmark.samples}.values())[:4]
    queries = [Query(whole_benchmark.picture(s), s.question) for s in samples]
    real = mllm.encode(queries, [s.truth for s in samples])
    made = Collator(mllm.processor, real["pixel_values"])(
        [Lesson(row, s.question, s.truth) for row, s in enumerate(samples)]
    )
    # The processor pads prompts and answers apart, the collator all in one: the same real tokens in the same order.
    for row in range(len(samples)):
        told, wanted = made["attention_mask"][row].bool(), real["attention_mask"][row].bool()
        assert torch.equal(made["input_ids"][row][told], real["input_ids"][row][wanted])
    assert torch.equal(made["labels"], real["labels"])
    assert torch.equal(made["pixel_values"], real["pixel_values"])


def test_batches_are_shuffled_whole_and_counted(
    taught: Lessons,
) -> None:
    lessons = taught.lessons
    batches = make_batches(lessons, SMALL)
    assert len(batches) == SMALL.steps
    assert batches == make_batches(lessons, SMALL)
    assert batches != make_batches(lessons, SMALL.model_copy(update={"seed": 1}))
    epoch = make_batches(
        lessons, SMALL.model_copy(update={"steps": -(-len(lessons) // SMALL.batch)})
    )
    assert Counter(x for batch in epoch for x in batch) == Counter(lessons)


def test_batches_hold_answers_alike_in_length(
    taught: Lessons,
) -> None:
    def spread(batches: list[list[Lesson]]) -> float:
        lengths = [[len(x.answer) for x in batch] for batch in batches]
        return sum(max(row) - min(row) for row in lengths) / len(lengths)

    lessons = taught.lessons
    unsorted = [lessons[n :: len(lessons) // 4][:4] for n in range(40)]
    assert POOL > 1
    assert spread(make_batches(lessons, SMALL)) < 0.6 * spread(unsorted)
