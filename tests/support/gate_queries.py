"""What tests ask picture gates about: one sample a picture, the queries they make, and how many reach whom."""

from collections.abc import Sequence
from dataclasses import replace

from mlubench.lumoe.gates.base import GateQuery
from mlubench.types import Benchmark, Route, Sample


def pictures(benchmark: Benchmark, split: str, role: str = "test") -> list[Sample]:
    """One sample a picture, of all tasks."""
    samples = {}
    for task in benchmark:
        for sample in task.split(split):
            if sample.role == role:
                samples[sample.image] = sample
    return list(samples.values())


def queries(benchmark: Benchmark, samples: Sequence[Sample]) -> list[GateQuery]:
    return [GateQuery(benchmark.picture(sample), sample.question) for sample in samples]


def asked_of_all(benchmark: Benchmark) -> list[GateQuery]:
    """A query about each test picture, forget before retain."""
    return queries(benchmark, pictures(benchmark, "forget") + pictures(benchmark, "retain"))


def right_share(samples: Sequence[Sample], routes: Sequence[Route]) -> float:
    """The share of forget samples that reach the expert of their task alone, by their own entity."""
    right = 0
    for sample, route in zip(samples, routes, strict=True):
        right += route.experts == (sample.task,) and route.entity == sample.entity.key
    return right / len(samples)


def routed_share(routes: Sequence[Route]) -> float:
    """The share that reaches any expert."""
    return sum(bool(route.experts) for route in routes) / len(routes)


def without_role(benchmark: Benchmark, role: str) -> Benchmark:
    """The benchmark without the samples of one role."""
    tasks = []
    for task in benchmark:
        forget = tuple(sample for sample in task.forget if sample.role != role)
        retain = tuple(sample for sample in task.retain if sample.role != role)
        tasks.append(replace(task, forget=forget, retain=retain))
    return replace(benchmark, tasks=tuple(tasks))
