"""Which pictures each task brings that a gate may learn from."""

from collections.abc import Iterator, Mapping, Sequence

from mlubench.lumoe.gates.prototype import pictures_by_entity
from mlubench.types import Sample, Task

Pictures = Mapping[str, Sequence[Sample]]  # entity -> one sample for each of its pictures


def new_in_each(tasks: Sequence[Task]) -> Iterator[tuple[Task, Pictures, Pictures]]:
    """Each task, with the pictures of its requests and of what must stay, of entities that no task before it has.

    An entity of several tasks comes with all its pictures at the first of them.
    """
    requested = {e.key for task in tasks for e in task.forget_entities}
    forget = pictures_by_entity([s for task in tasks for s in task.forget])
    # What an earlier task kept may have to go by now.
    kept = [s for task in tasks for s in task.retain if s.entity.key not in requested]
    retain = pictures_by_entity(kept)
    for task in tasks:
        yield task, _taken(forget, task.forget), _taken(retain, task.retain)


def _taken(pictures: dict[str, list[Sample]], samples: Sequence[Sample]) -> Pictures:
    """Takes out what there is of the samples' entities."""
    keys = {sample.entity.key for sample in samples} & pictures.keys()
    return {key: pictures.pop(key) for key in sorted(keys)}
