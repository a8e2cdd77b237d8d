"""Which samples train and which are tested."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from mlubench.experiment.samples import data_hash, samples_to_test
from mlubench.settings import loading as settings
from mlubench.types import Benchmark


def test_only_test_pictures_are_tested(benchmark: Benchmark) -> None:
    for task in benchmark:
        rows = samples_to_test(task, None)
        assert {s.role for s in rows} == {"test"}
        assert Counter(s.id for s in rows) == Counter(
            s.id for s in task.samples if s.role == "test"
        )
        assert not {s.image for s in rows} & {s.image for s in task.samples if s.role != "test"}


def assert_even(every: list[Any], taken: list[Any]) -> None:
    """Each kind has as many taken as any other, give or take one, unless it had no more."""
    there, had = Counter(every), Counter(taken)
    assert all(had[kind] >= min(there[kind], max(had.values(), default=0) - 1) for kind in there)


@pytest.mark.parametrize("limit", [7, 16, 40, 60, 10_000])
def test_a_limit_is_spread_over_facts_and_phrasings(benchmark: Benchmark, limit: int) -> None:
    for task in benchmark:
        for split in ("forget", "retain"):
            every = [s for s in task.split(split) if s.role == "test"]
            rows = [s for s in samples_to_test(task, limit) if s.split == split]
            assert len(rows) == min(limit, len(every))
            assert_even([s.fact for s in every], [s.fact for s in rows])
            for fact in {s.fact for s in every}:
                phrasings = [[s.phrasing for s in part if s.fact == fact] for part in (every, rows)]
                assert_even(*phrasings)


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
    task, settings_ = benchmark.task("A"), settings.load("smoke").train
    hashed = data_hash(task, settings_)
    unused = replace(
        task, forget=tuple(s for s in task.forget if s.role == "fit" and s.phrasing == 0)
    )
    assert data_hash(unused, settings_) == hashed
    assert data_hash(replace(unused, forget=unused.forget[1:]), settings_) != hashed
