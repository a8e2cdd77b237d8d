"""Which samples train and which are tested."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

import pytest

from mlubench.experiment.samples import data_hash, samples_to_test
from mlubench.settings import loading as settings
from mlubench.types import Benchmark, Sample, Split


def for_testing(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.role == "test"]


def test_only_test_pictures_are_tested(benchmark: Benchmark) -> None:
    for task in benchmark:
        rows = samples_to_test(task, None)
        wanted = for_testing(task.samples)
        assert Counter(row.id for row in rows) == Counter(sample.id for sample in wanted)
        images = {row.image for row in rows}
        learned_from = {sample.image for sample in task.samples if sample.role != "test"}
        assert images.isdisjoint(learned_from)


def assert_even(every: Sequence[Hashable], taken: Sequence[Hashable]) -> None:
    """Each kind has as many taken as any other, give or take one, unless it had no more."""
    there = Counter(every)
    had = Counter(taken)
    most = max(had.values(), default=0)
    for kind, count in there.items():
        assert had[kind] >= min(count, most - 1)


@pytest.mark.parametrize("limit", [7, 16, 40, 60, 10_000])
@pytest.mark.parametrize("split", ["forget", "retain"])
def test_a_limit_is_spread_over_facts_and_phrasings(
    benchmark: Benchmark, split: Split, limit: int
) -> None:
    for task in benchmark:
        every = for_testing(task.split(split))
        rows = [row for row in samples_to_test(task, limit) if row.split == split]
        assert len(rows) == min(limit, len(every))
        assert_even([sample.fact for sample in every], [row.fact for row in rows])
        for fact in {sample.fact for sample in every}:
            phrasings = [sample.phrasing for sample in every if sample.fact == fact]
            taken = [row.phrasing for row in rows if row.fact == fact]
            assert_even(phrasings, taken)


def test_a_limit_reaches_every_fact(benchmark: Benchmark) -> None:
    for task in benchmark:
        facts = {s.fact for s in task.forget}
        rows = [s for s in samples_to_test(task, len(facts)) if s.split == "forget"]
        assert {s.fact for s in rows} == facts


def test_a_limit_does_not_depend_on_the_order_of_the_samples(benchmark: Benchmark) -> None:
    task = benchmark.task("A")
    turned = replace(task, forget=task.forget[::-1], retain=task.retain[::-1])
    assert samples_to_test(turned, 16) == samples_to_test(task, 16)


def test_the_data_hash_is_of_what_is_trained_on(benchmark: Benchmark) -> None:
    task = benchmark.task("A")
    train = settings.load("smoke").train
    trained = tuple(s for s in task.forget if s.role == "fit" and s.phrasing == 0)
    without_the_rest = replace(task, forget=trained)
    with_one_less = replace(task, forget=trained[1:])
    assert data_hash(without_the_rest, train) == data_hash(task, train)
    assert data_hash(with_one_less, train) != data_hash(task, train)
