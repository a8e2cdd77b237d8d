"""Some facts of an entity go and its others stay; nothing else changes."""

from mlubench.data.partial import partly_forgotten
from mlubench.types import Benchmark, Split


def facts(benchmark: Benchmark, split: Split) -> dict[str, set[str]]:
    """By entity key."""
    found: dict[str, set[str]] = {}
    for task in benchmark:
        for sample in task.split(split):
            found.setdefault(sample.entity.key, set()).add(sample.fact)
    return found


def test_all_is_the_benchmark_itself(whole_benchmark: Benchmark) -> None:
    assert partly_forgotten(whole_benchmark, 1, seed=0) is whole_benchmark


def test_half_of_each_entity_s_facts_stay(whole_benchmark: Benchmark) -> None:
    half = partly_forgotten(whole_benchmark, 0.5, seed=0)
    go, stay = facts(half, "forget"), facts(half, "retain")
    before = facts(whole_benchmark, "forget")
    assert go.keys() == before.keys()
    for entity, all_facts in before.items():
        assert go[entity] | stay[entity] == all_facts
        assert not go[entity] & stay[entity]
        assert len(go[entity]) == round(len(all_facts) / 2)


def test_one_fact_at_least_goes(whole_benchmark: Benchmark) -> None:
    least = partly_forgotten(whole_benchmark, 0.01, seed=0)
    assert {len(of_entity) for of_entity in facts(least, "forget").values()} == {1}


def test_samples_change_their_split_and_nothing_else(whole_benchmark: Benchmark) -> None:
    half = partly_forgotten(whole_benchmark, 0.5, seed=0)
    assert half.digest != whole_benchmark.digest
    before = {sample.id: sample for sample in whole_benchmark.samples}
    assert len(half.samples) == len(before)
    for task in half:
        for split in ("forget", "retain"):
            assert {sample.split for sample in task.split(split)} == {split}
    for sample in half.samples:
        old = before[sample.id]
        assert (sample.task, sample.fact, sample.role) == (old.task, old.fact, old.role)
        if old.split == "retain":
            assert sample == old


def test_the_seed_draws_which_facts_go(whole_benchmark: Benchmark) -> None:
    draws = [
        facts(partly_forgotten(whole_benchmark, 0.5, seed=seed), "forget") for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]
