"""Counts what a benchmark holds, so that a copy of the data can be compared with the published numbers at a glance."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypedDict

from mlubench.data.release import SPLITS
from mlubench.types import Benchmark, Sample, Split


class SampleCounts(TypedDict):
    """What some samples hold."""

    records: int
    entities: int
    classes: int
    image_paths: int
    facts: int
    # How many facts are asked in how many ways: {"5": 505, "1": 44}. Texts, since keys of JSON are.
    phrasings_per_fact: dict[str, int]


class TotalCounts(SampleCounts):
    """What the whole benchmark holds."""

    tasks: int
    splits: int
    roles: dict[str, int]  # records by the role of their picture


class BenchmarkCounts(TypedDict):
    """What `data stats --json` prints."""

    tasks: dict[str, dict[Split, SampleCounts]]
    total: TotalCounts
    digest: str
    # The pictures are drawn, so their numbers say nothing about photographs.
    stand_ins: bool


def count(benchmark: Benchmark) -> BenchmarkCounts:
    """The benchmark's counts, by task and split and as a whole."""
    by_task: dict[str, dict[Split, SampleCounts]] = {}
    splits = 0
    for task in benchmark:
        by_task[task.name] = {split: _count_samples(task.split(split)) for split in SPLITS}
        splits += sum(1 for split in SPLITS if task.split(split))
    roles = Counter(sample.role for sample in benchmark.samples)
    total: TotalCounts = {
        **_count_samples(benchmark.samples),
        "tasks": len(benchmark.tasks),
        "splits": splits,
        "roles": dict(sorted(roles.items())),
    }
    return {
        "tasks": by_task,
        "total": total,
        "digest": benchmark.digest,
        "stand_ins": benchmark.stand_ins,
    }


def _count_samples(samples: Sequence[Sample]) -> SampleCounts:
    entities = {sample.entity for sample in samples}
    classes = {entity.cls for entity in entities}
    images = {sample.image for sample in samples} - {""}
    questions_of: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        questions_of[sample.fact].add(sample.question)
    facts_by_phrasings = Counter(len(questions) for questions in questions_of.values())
    histogram: dict[str, int] = {}
    for phrasings in sorted(facts_by_phrasings, reverse=True):
        histogram[str(phrasings)] = facts_by_phrasings[phrasings]
    return {
        "records": len(samples),
        "entities": len(entities),
        "classes": len(classes),
        "image_paths": len(images),
        "facts": len(questions_of),
        "phrasings_per_fact": histogram,
    }
