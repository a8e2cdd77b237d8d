"""Which samples a method trains on, and which an archive is tested on."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict

from mlubench.core.files import digest
from mlubench.settings.evaluation import EvaluateConfig
from mlubench.settings.training import TrainConfig
from mlubench.types import Sample, Task


def fit_samples(samples: Sequence[Sample], settings: TrainConfig) -> list[Sample]:
    """The samples that a method trains on."""
    chosen = [s for s in samples if s.trains]
    if settings.phrasings == "all":
        return chosen
    # The first phrasing alone: the others then test whether what was unlearned depends on the words. The published
    # protocol holds nothing back.
    return [s for s in chosen if s.phrasing == 0 or s.role == "all"]


def data_hash(task: Task, settings: TrainConfig) -> str:
    """SHA-256 of what a task trains on: says whether two states saw the same data, and holds none of it."""
    samples = [*fit_samples(task.forget, settings), *fit_samples(task.retain, settings)]
    return digest([asdict(sample) for sample in samples], 64)


def samples_to_test(task: Task, limit: int | None) -> list[Sample]:
    """The task's test samples.

    With a limit, at most so many a split, dealt round the facts and round each fact's phrasings.
    """
    chosen: list[Sample] = []
    for split in (task.forget, task.retain):
        # Sorted, so that the choice does not depend on the order of the records.
        rows = sorted((s for s in split if s.tests), key=lambda s: s.id)
        rows = _deal_round(rows, lambda s: (s.fact, s.phrasing))
        rows = _deal_round(rows, lambda s: s.fact)
        chosen += rows[:limit]
    return chosen


def tested_after(config: EvaluateConfig, order: Sequence[str], after: str) -> list[str]:
    """The tasks that the archive made after `after` is tested on."""
    if config.tasks == "all":
        return list(order)
    return list(order[: order.index(after) + 1])


def _deal_round(rows: Sequence[Sample], group: Callable[[Sample], Hashable]) -> list[Sample]:
    """The samples round by round: in each round one of every group that has any left, in their order."""
    dealt_before: Counter[Hashable] = Counter()
    rounds = []
    for sample in rows:
        rounds.append((dealt_before[group(sample)], sample))
        dealt_before[group(sample)] += 1
    rounds.sort(key=lambda pair: pair[0])
    return [sample for _, sample in rounds]
