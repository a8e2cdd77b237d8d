"""Differences between methods after the last task, paired on the samples that both answered."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from mlubench.statistics.scores import METRICS, Difference, Scored, paired_difference
from mlubench.types import Metric

ALL = "all"  # in the place of a task: the answers of all tasks together
ScoredById = dict[str, Scored]
Pairs = list[tuple[Scored, Scored]]


class Comparison(Difference):
    """The difference between method `a` and method `b` on one task, or on all."""

    metric: Metric
    task: str
    after: str
    a: str
    b: str


def compare(
    rows_of: Callable[[str, str], Mapping[str, ScoredById]],
    methods: Sequence[str],
    order: Sequence[str],
    *,
    resamples: int,
) -> list[Comparison]:
    """Each pair of methods on each task and on all, for each metric, at the archive of the last task.

    `rows_of(method, task)` gives the scored answers by metric. A pair that shares no sample of a task is left out there,
    and on all tasks together.
    """
    scored = {(method, task): rows_of(method, task) for method in methods for task in order}
    found = []
    for metric in METRICS:
        for a, b in combinations(methods, 2):
            # A list, since a task may itself be called `all`.
            parts: list[tuple[str, Pairs]] = []
            for task in order:
                of_a = scored[a, task].get(metric, {})
                of_b = scored[b, task].get(metric, {})
                parts.append((task, _pairs(of_a, of_b)))
            if all(pairs for _, pairs in parts):
                parts.append((ALL, [pair for _, pairs in parts for pair in pairs]))
            for task, pairs in parts:
                if pairs:
                    comparison: Comparison = {
                        "metric": metric,
                        "task": task,
                        "after": order[-1],
                        "a": a,
                        "b": b,
                        **paired_difference(
                            [first for first, _ in pairs],
                            [second for _, second in pairs],
                            resamples=resamples,
                        ),
                    }
                    found.append(comparison)
    return found


def _pairs(a: ScoredById, b: ScoredById) -> Pairs:
    """The samples that are in both, in the order of `a`."""
    return [(a[sample], b[sample]) for sample in a if sample in b]
