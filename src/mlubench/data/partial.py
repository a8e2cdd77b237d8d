"""Requests about some facts of an entity: those must go, and what else is known of it must stay."""

import random
from collections.abc import Mapping, Set
from dataclasses import replace

from mlubench.core.files import digest
from mlubench.types import Benchmark, Sample, Task


def partly_forgotten(benchmark: Benchmark, share: float, *, seed: int) -> Benchmark:
    """The benchmark with that share (above 0, up to 1) of each forget entity's facts to forget, at least one.

    Its other facts are retain samples of the same task. The seed draws which. Nothing else changes, so the base that
    was taught the whole benchmark serves all shares.
    """
    if share == 1:
        return benchmark
    to_forget = _drawn(_facts_by_entity(benchmark), share, seed)
    tasks = [_split_anew(task, to_forget) for task in benchmark]
    return replace(
        benchmark,
        tasks=tuple(tasks),
        digest=digest({"of": benchmark.digest, "forget_share": share, "seed": seed}),
    )


def _facts_by_entity(benchmark: Benchmark) -> dict[str, set[str]]:
    """By entity key the facts that are to be forgotten."""
    facts: dict[str, set[str]] = {}
    for task in benchmark:
        for sample in task.forget:
            facts.setdefault(sample.entity.key, set()).add(sample.fact)
    return facts


def _drawn(facts: Mapping[str, Set[str]], share: float, seed: int) -> set[str]:
    drawn: set[str] = set()
    for entity, of_entity in facts.items():
        count = max(1, round(share * len(of_entity)))
        drawn |= set(random.Random(f"{seed}/{entity}").sample(sorted(of_entity), count))
    return drawn


def _split_anew(task: Task, to_forget: Set[str]) -> Task:
    forget: list[Sample] = []
    stays: list[Sample] = []
    for sample in task.forget:
        if sample.fact in to_forget:
            forget.append(sample)
        else:
            stays.append(replace(sample, split="retain"))
    return replace(task, forget=tuple(forget), retain=(*task.retain, *stays))
