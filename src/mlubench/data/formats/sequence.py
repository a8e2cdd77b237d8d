"""Which entities each task forgets and keeps, drawn by a seed where the original has no sequence."""

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlubench.core.errors import DataError, UsageError
from mlubench.data.formats.item import ImportOptions, Notes
from mlubench.types import Entity, Split

# Where the original has no forget set, one in so many entities is forgotten.
ONE_IN = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an entity stands in the sequence."""

    task: str
    split: Split


def task_names(count: int) -> list[str]:
    """A, B, C and on; numbers where there are more tasks than letters."""
    if count <= len(string.ascii_uppercase):
        return list(string.ascii_uppercase[:count])
    return [f"{number:0{len(str(count))}d}" for number in range(1, count + 1)]


def deal(
    splits: Mapping[Entity, Split | None], options: ImportOptions, notes: Notes
) -> dict[Entity, Standing]:
    """Where each entity stands; those that are in no task are left out. `splits` is what the original says.

    The outcome depends on the seed and on the set of entities alone. Raises DataError where there are too few.
    """
    if options.tasks < 1:
        raise UsageError(f"there can be no {options.tasks} tasks", "Give --tasks 1 or more.")
    rng = random.Random(options.seed)
    order = sorted(splits)
    rng.shuffle(order)
    forget = [entity for entity in order if splits[entity] == "forget"]
    retain = [entity for entity in order if splits[entity] == "retain"]
    undecided = [entity for entity in order if splits[entity] is None]
    if undecided:
        count = 0
        if not forget:
            count = _forgotten_of(len(undecided), options)
            notes.assume(
                f"the original names nothing to forget: {count} of {len(order)} entities were drawn"
            )
        forget += undecided[:count]
        retain += undecided[count:]
    notes.assume(f"the original has no sequence: {options.tasks} tasks were drawn")
    standings: dict[Entity, Standing] = {}
    groups: list[tuple[Split, Sequence[Entity], int | None]] = [
        ("forget", forget, options.forget_per_task),
        ("retain", retain, options.retain_per_task),
    ]
    for split, entities, per_task in groups:
        dealt = _dealt(split, entities, per_task, options.tasks)
        for task, of_task in dealt.items():
            for entity in of_task:
                standings[entity] = Standing(task, split)
    left_out = len(order) - len(standings)
    if left_out:
        notes.lose("entities in no task, beyond what each task was to forget or keep", left_out)
    return standings


def _forgotten_of(count: int, options: ImportOptions) -> int:
    """How many of so many entities are to be forgotten in all."""
    if options.forget_per_task is not None:
        return min(count, options.tasks * options.forget_per_task)
    return max(options.tasks, count // ONE_IN)


def _dealt(
    split: Split, entities: Sequence[Entity], per_task: int | None, tasks: int
) -> dict[str, Sequence[Entity]]:
    """The entities of each task, in equal numbers where these are not given, but for what cannot be shared evenly."""
    needed = tasks * (per_task or 1)
    if len(entities) < needed:
        what = "forget" if split == "forget" else "keep"
        raise DataError(
            f"there are {len(entities)} entities to {what}, and {tasks} tasks need {needed}",
            "Give fewer with --tasks, --per-task or --keep.",
        )
    if per_task is not None:
        entities = entities[:needed]
    return {name: entities[number::tasks] for number, name in enumerate(task_names(tasks))}
