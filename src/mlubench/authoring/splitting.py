"""Deals entities into tasks with a forget and a retain set each; none lands in two places."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle

import numpy as np
from numpy.typing import NDArray

from mlubench.core.errors import DataError
from mlubench.data.release import SPLITS
from mlubench.types import Split

# (N, N), symmetric, in the order of the entities; higher is more alike.
Likeness = NDArray[np.float64]
TaskSplits = dict[str, dict[Split, list[str]]]  # task -> split -> entity keys
Place = tuple[str, Split]  # a task and one of its splits
_SHUFFLES = 20  # over which chance is averaged


@dataclass(frozen=True, slots=True)
class SplitSizes:
    """How large the tasks are to be."""

    tasks: int
    forget: float  # the share of each task's entities that is to be forgotten


def task_names(count: int) -> list[str]:
    """A, B and so on, as officially; of more than 26 tasks T001 and so on.

    They sort as the tasks come.
    """
    if count <= 26:
        return [chr(ord("A") + n) for n in range(count)]
    return [f"T{n:03}" for n in range(1, count + 1)]


def by_class(entities: Sequence[str], sizes: SplitSizes, seed: int) -> TaskSplits:
    """As in the official split: what a task forgets and what it retains are of different classes.

    Classes are laid end to end in an order that the seed draws, and cut: first into the forget
    sets, then into the retain sets. So a task holds a class in both of its splits only where the
    class is larger than all that lies between.
    """
    _check_count(entities, sizes)
    rng = random.Random(f"{seed}/by_class")
    classes = list(_shuffled_classes(entities, rng).values())
    rng.shuffle(classes)
    in_line = list(chain.from_iterable(classes))
    places = _place_sizes(len(entities), sizes)
    splits = _empty_splits(sizes)
    start = 0
    for split in SPLITS:
        for task in splits:
            end = start + places[task, split]
            splits[task][split] = in_line[start:end]
            start = end
    return _sorted(splits)


def mixed(entities: Sequence[str], sizes: SplitSizes, seed: int) -> TaskSplits:
    """Every task holds of every class, in both splits, as evenly as the numbers allow."""
    _check_count(entities, sizes)
    classes = _shuffled_classes(entities, random.Random(f"{seed}/mixed"))
    in_turn = list(chain.from_iterable(classes[cls] for cls in sorted(classes)))
    return _spread(in_turn, _place_sizes(len(entities), sizes))


def similar(
    entities: Sequence[str], likeness: Likeness, sizes: SplitSizes, seed: int
) -> TaskSplits:
    """A hard test of locality: a retain entity of its own task is much like each forget entity.

    Pairs are taken greedily, the most alike first; one of each, drawn by seed, is to be forgotten.
    Each entity that is left over goes to the task that holds the entity most like it.
    """
    _check_count(entities, sizes)
    rng = random.Random(f"{seed}/similarity")
    places = _PlaceFiller(sizes, len(entities))
    pairs = _closest_pairs(entities, likeness)
    tasks = _tasks_for_pairs(places.free, len(pairs))
    # There may be more pairs than tasks have room for: the least alike ones, which come last.
    for pair, task in zip(pairs, tasks, strict=False):
        forget, retain = rng.sample(pair, 2)
        places.put(forget, (task, "forget"))
        places.put(retain, (task, "retain"))
    index = {key: n for n, key in enumerate(entities)}
    paired = set(chain.from_iterable(pairs))
    unpaired = [key for key in entities if key not in paired]
    for key in [*chain.from_iterable(pairs[len(tasks) :]), *unpaired]:
        places.put(key, _closest_place(places, index[key], index, likeness))
    return _sorted(places.splits)


def given(
    entities: Sequence[str], wanted: Mapping[str, Mapping[Split, Sequence[str]]]
) -> TaskSplits:
    """The split that somebody wrote down.

    Raises DataError naming all entities that are unknown or stand in two places.
    """
    known = set(entities)
    places: dict[str, str] = {}
    problems = []
    for task, by_split in wanted.items():
        for split, keys in by_split.items():
            for key in keys:
                place = f"{task} {split}"
                if key not in known:
                    problems.append(f"{key} in {place} is no entity")
                elif key in places:
                    problems.append(f"{key} is in {places[key]} and in {place}")
                places.setdefault(key, place)
        if not (by_split.get("forget") and by_split.get("retain")):
            problems.append(f"task {task} lacks a forget or a retain set")
    if problems:
        raise DataError(
            f"the split cannot be used: {'; '.join(problems)}",
            "Mend split.tasks in the specification.",
        )
    splits: TaskSplits = {}
    for task, by_split in wanted.items():
        splits[task] = {"forget": list(by_split["forget"]), "retain": list(by_split["retain"])}
    return _sorted(splits)


def hardness(splits: TaskSplits, entities: Sequence[str], likeness: Likeness) -> float:
    """Mean likeness of a forget entity to the retain entity of its task that is most like it."""
    index = {key: n for n, key in enumerate(entities)}
    nearest = []
    for by_split in splits.values():
        retained = [index[key] for key in by_split["retain"]]
        for key in by_split["forget"]:
            nearest.append(float(likeness[index[key], retained].max()))
    return float(np.mean(nearest))


def hardness_by_chance(
    splits: TaskSplits, entities: Sequence[str], likeness: Likeness, seed: int
) -> float:
    """Mean `hardness` of splits of the same sizes with entities in random places.

    That is what a split has to be compared with.
    """
    rng = random.Random(f"{seed}/by_chance")
    all_keys = []
    for by_split in splits.values():
        for keys in by_split.values():
            all_keys += keys
    all_keys.sort()  # so that the draws depend on who is there and not on who stands where
    found = []
    for _ in range(_SHUFFLES):
        shuffled = iter(rng.sample(all_keys, len(all_keys)))
        random_splits: TaskSplits = {}
        for task, by_split in splits.items():
            random_splits[task] = {}
            for split, keys in by_split.items():
                random_splits[task][split] = [next(shuffled) for _ in keys]
        found.append(hardness(random_splits, entities, likeness))
    return float(np.mean(found))


def _check_count(entities: Sequence[str], sizes: SplitSizes) -> None:
    if len(entities) < 2 * sizes.tasks:
        raise DataError(
            f"{len(entities)} entities do not fill {sizes.tasks} tasks "
            "with a forget and a retain set each",
            f"Lower split.tasks to {max(1, len(entities) // 2)} or add entities.",
        )


def _shuffled_classes(entities: Sequence[str], rng: random.Random) -> dict[str, list[str]]:
    """Entities by class, each class in an order that `rng` draws."""
    classes: dict[str, list[str]] = {}
    for key in sorted(entities):
        cls = key.split("/")[0]
        classes.setdefault(cls, []).append(key)
    for keys in classes.values():
        rng.shuffle(keys)
    return classes


def _place_sizes(count: int, sizes: SplitSizes) -> dict[Place, int]:
    """How many entities each task and split takes: together all, and each at least one."""
    places: dict[Place, int] = {}
    for n, task in enumerate(task_names(sizes.tasks)):
        # The first tasks are one larger where the count cannot be divided.
        size = count // sizes.tasks
        if n < count % sizes.tasks:
            size += 1
        forget = max(1, round(size * sizes.forget))
        forget = min(size - 1, forget)
        places[task, "forget"] = forget
        places[task, "retain"] = size - forget
    return places


def _spread(keys: Sequence[str], places: Mapping[Place, int]) -> TaskSplits:
    """The keys in turn to the places, each in proportion to its size.

    Neighbours land far apart: the n-th of a place's `size` turns comes at (n + 0.5) / size of the
    way, so that the turns of large and small places interleave.
    """
    turns = []
    for place, size in places.items():
        turns += [((n + 0.5) / size, place) for n in range(size)]
    turns.sort()
    splits: TaskSplits = {}
    for key, (_, (task, split)) in zip(keys, turns, strict=True):
        splits.setdefault(task, {"forget": [], "retain": []})[split].append(key)
    return _sorted(splits)


class _PlaceFiller:
    """Splits under way, and how many entities each place still takes."""

    def __init__(self, sizes: SplitSizes, count: int) -> None:
        self.splits = _empty_splits(sizes)
        self.free = _place_sizes(count, sizes)

    def open(self) -> list[Place]:
        return [place for place, room in self.free.items() if room]

    def put(self, key: str, place: Place) -> None:
        task, split = place
        self.splits[task][split].append(key)
        self.free[place] -= 1


def _closest_pairs(entities: Sequence[str], likeness: Likeness) -> list[list[str]]:
    """Disjoint pairs, greedily: the most alike first."""
    rows, columns = np.triu_indices(len(entities), 1)  # every pair once
    # By likeness, falling; equal ones by their indices, so that the order is the same everywhere.
    order = np.lexsort((columns, rows, -likeness[rows, columns]))
    free = set(range(len(entities)))
    pairs = []
    for n in order:
        first = int(rows[n])
        second = int(columns[n])
        if first in free and second in free:
            free -= {first, second}
            pairs.append([entities[first], entities[second]])
    return pairs


def _tasks_for_pairs(free: Mapping[Place, int], count: int) -> list[str]:
    """A task for each pair, round by round, while it has room to forget one and retain one."""
    room = {task: min(free[task, "forget"], free[task, "retain"]) for task, _ in free}
    tasks: list[str] = []
    for task in cycle(list(room)):
        if len(tasks) == count or not any(room.values()):
            break
        if room[task]:
            room[task] -= 1
            tasks.append(task)
    return tasks


def _closest_place(
    places: _PlaceFiller, row: int, index: Mapping[str, int], likeness: Likeness
) -> Place:
    """The open place in the task that holds the entity most like `row`; the last of equal ones."""
    scored = []
    for task, split in places.open():
        keys = chain.from_iterable(places.splits[task].values())
        others = [index[key] for key in keys]
        # An empty task is taken last.
        nearest = float(likeness[row, others].max()) if others else -np.inf
        scored.append((nearest, (task, split)))
    _, place = max(scored)
    return place


def _empty_splits(sizes: SplitSizes) -> TaskSplits:
    return {task: {"forget": [], "retain": []} for task in task_names(sizes.tasks)}


def _sorted(splits: TaskSplits) -> TaskSplits:
    """Tasks and keys in order, so that equal splits are written in equal words."""
    return {
        task: {"forget": sorted(by_split["forget"]), "retain": sorted(by_split["retain"])}
        for task, by_split in sorted(splits.items())
    }
