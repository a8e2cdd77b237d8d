"""Differences between methods after the last task, paired on the samples that both answered."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from mlubench.statistics.scores import METRICS, Scored, paired_difference

ALL = "all"  # in the place of a task: the answers of all tasks together
Rows = dict[str, Scored]  # by sample id


def compare(
    rows_of: Callable[[str, str], dict[str, Rows]],
    methods: Sequence[str],
    order: Sequence[str],
    *,
    resamples: int,
) -> list[dict[str, Any]]:
    """Each pair of methods on each task and on all, for each metric, at the archive of the last task.

    `rows_of(method, task)` gives the scored answers by metric. A pair that shares no sample is left out.
    """
    last = order[-1]
    scored = {(method, task): rows_of(method, task) for method in methods for task in order}
    found = []
    for metric in METRICS:
        for a, b in combinations(methods, 2):
            tasks = {t: (scored[a, t].get(metric, {}), scored[b, t].get(metric, {})) for t in order}
            parts = {t: [(x[i], y[i]) for i in x if i in y] for t, (x, y) in tasks.items()}
            whole = all(parts.values())
            for task, pairs in [
                *parts.items(),
                *([(ALL, [p for part in parts.values() for p in part])] if whole else []),
            ]:
                if pairs:
                    head = {"metric": metric, "task": task, "after": last, "a": a, "b": b}
                    first, second = zip(*pairs, strict=True)
                    found.append({**head, **paired_difference(first, second, resamples=resamples)})
    return found
