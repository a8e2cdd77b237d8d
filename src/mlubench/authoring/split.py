"""Deals entities into a sequence of tasks with a forget and a retain set each; no entity ever lands in two places."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from mlubench.core.errors import DataError
from mlubench.data.release import SPLITS
from mlubench.types import Split

Likeness = NDArray[
    np.float64
]  # (N, N), symmetric, in the order of the entities; higher is more alike
_SHUFFLES = 20
Dealt = dict[str, dict[Split, list[str]]]  # task -> split -> entity keys


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many tasks, and which share of each task's entities is to be forgotten."""

    tasks: int
    forget: float


def task_names(count: int) -> list[str]:
    """A, B and so on, as officially; of more than 26 tasks T001 and so on. They sort as the tasks come."""
    if count <= 26:
        return [chr(ord("A") + n) for n in range(count)]
    return [f"T{n:03}" for n in range(1, count + 1)]


def by_class(entities: Sequence[str], sizes: Sizes, seed: int) -> Dealt:
    """As in the official split: what a task forgets and what it retains are of different classes.

    Classes are laid end to end in an order of this seed's own, and cut: first into the forget sets, then into the retain
    sets. So a task holds a class in both of its splits only where the class is larger than all that lies between.
    """
    _enough(entities, sizes)
    groups = list(_classes(entities, rng := random.Random(f"{seed}/by_class")).values())
    rng.shuffle(groups)
    in_line = iter([key for keys in groups for key in keys])
    places = _places(len(entities), sizes)
    dealt = _empty(sizes)
    for split in SPLITS:
        for task in dealt:
            dealt[task][split] = [next(in_line) for _ in range(places[task, split])]
    return _sorted(dealt)


def mixed(entities: Sequence[str], sizes: Sizes, seed: int) -> Dealt:
    """Every task holds of every class, in both splits, as evenly as the numbers allow."""
    _enough(entities, sizes)
    rng = random.Random(f"{seed}/mixed")
    groups = _classes(entities, rng)
    in_turn = [key for cls in sorted(groups) for key in groups[cls]]
    return _deal(in_turn, _places(len(entities), sizes))


def similar(entities: Sequence[str], likeness: Likeness, sizes: Sizes, seed: int) -> Dealt:
    """A hard test of locality: every forget entity has a retain entity of its own task that looks or reads much like it.

    Pairs are taken greedily, the most alike first; one of each, drawn by seed, is to be forgotten. Who is left over fills
    the places that remain beside the entity most like it.
    """
    _enough(entities, sizes)
    rng = random.Random(f"{seed}/similarity")
    lacking = _places(len(entities), sizes)
    dealt = _empty(sizes)
    pairs, rest = _pairs(entities, likeness)
    turns = _tasks_in_turn(lacking, len(pairs))
    for pair, task in zip(
        pairs, turns, strict=False
    ):  # the pairs that are least alike may find no place
        forget, retain = rng.sample(pair, 2)
        _place(dealt, lacking, task, "forget", forget)
        _place(dealt, lacking, task, "retain", retain)
    where = {key: n for n, key in enumerate(entities)}
    for key in [*(k for pair in pairs[len(turns) :] for k in pair), *rest]:
        open_places = [place for place, left in lacking.items() if left]
        best = max(
            open_places,
            key=lambda place: (_nearest(where[key], dealt[place[0]], where, likeness), place),
        )
        _place(dealt, lacking, *best, key)
    return _sorted(dealt)


def given(entities: Sequence[str], wanted: Mapping[str, Mapping[Split, Sequence[str]]]) -> Dealt:
    """The split that somebody wrote down. DataError naming all entities that are unknown or stand in two places."""
    known, seen, wrong = set(entities), dict[str, str](), []
    for task, splits in wanted.items():
        for split, keys in splits.items():
            for key in keys:
                place = f"{task} {split}"
                if key not in known:
                    wrong.append(f"{key} in {place} is no entity")
                elif key in seen:
                    wrong.append(f"{key} is in {seen[key]} and in {place}")
                seen.setdefault(key, place)
        if not (splits.get("forget") and splits.get("retain")):
            wrong.append(f"task {task} lacks a forget or a retain set")
    if wrong:
        raise DataError(
            f"the split cannot be used: {'; '.join(wrong)}",
            "Mend split.tasks in the specification.",
        )
    return _sorted(
        {
            task: {"forget": list(s["forget"]), "retain": list(s["retain"])}
            for task, s in wanted.items()
        }
    )


def hardness(dealt: Dealt, entities: Sequence[str], likeness: Likeness) -> float:
    """Mean likeness of a forget entity to the retain entity of its own task that is most like it."""
    where = {key: n for n, key in enumerate(entities)}
    nearest = [
        max(float(likeness[where[key], where[other]]) for other in splits["retain"])
        for splits in dealt.values()
        for key in splits["forget"]
    ]
    return float(np.mean(nearest))


def by_chance(dealt: Dealt, entities: Sequence[str], likeness: Likeness, seed: int) -> float:
    """Mean `hardness` of the same sizes with entities in random places: what a split has to be compared with."""
    rng = random.Random(f"{seed}/by_chance")
    sizes = [
        (task, split, len(keys)) for task, splits in dealt.items() for split, keys in splits.items()
    ]
    everybody = sorted(key for splits in dealt.values() for keys in splits.values() for key in keys)
    found = []
    for _ in range(_SHUFFLES):
        rest = iter(rng.sample(everybody, len(everybody)))
        shuffled: Dealt = {}
        for task, split, size in sizes:
            shuffled.setdefault(task, {"forget": [], "retain": []})[split] = [
                next(rest) for _ in range(size)
            ]
        found.append(hardness(shuffled, entities, likeness))
    return float(np.mean(found))


def _enough(entities: Sequence[str], sizes: Sizes) -> None:
    if len(entities) < 2 * sizes.tasks:
        raise DataError(
            f"{len(entities)} entities do not fill {sizes.tasks} tasks with a forget and a retain set each",
            f"Lower split.tasks to {max(1, len(entities) // 2)} or add entities.",
        )


def _classes(entities: Sequence[str], rng: random.Random) -> dict[str, list[str]]:
    """Entities by class, in an order of this seed's own."""
    groups: dict[str, list[str]] = {}
    for key in sorted(entities):
        groups.setdefault(key.split("/")[0], []).append(key)
    for keys in groups.values():
        rng.shuffle(keys)
    return groups


def _places(count: int, sizes: Sizes) -> dict[tuple[str, Split], int]:
    """How many entities each task and split takes; all are placed, and each place takes at least one."""
    places: dict[tuple[str, Split], int] = {}
    for n, task in enumerate(task_names(sizes.tasks)):
        size = count // sizes.tasks + (n < count % sizes.tasks)
        forget = min(size - 1, max(1, round(size * sizes.forget)))
        places[task, "forget"], places[task, "retain"] = forget, size - forget
    return places


def _deal(keys: Sequence[str], lacking: dict[tuple[str, Split], int]) -> Dealt:
    """The keys in turn to the places, each in proportion to its size, so that neighbours land far apart."""
    slots = sorted(
        ((n + 0.5) / size, place) for place, size in lacking.items() for n in range(size)
    )
    dealt: Dealt = {}
    for key, (_, (task, split)) in zip(keys, slots, strict=True):
        dealt.setdefault(task, {"forget": [], "retain": []})[split].append(key)
    return _sorted(dealt)


def _pairs(entities: Sequence[str], likeness: Likeness) -> tuple[list[list[str]], list[str]]:
    """Pairs of the most alike, greedily, and who is left over."""
    rows, columns = np.triu_indices(len(entities), 1)
    order = np.lexsort((columns, rows, -likeness[rows, columns]))
    free, pairs = set(range(len(entities))), []
    for n in order:
        a, b = int(rows[n]), int(columns[n])
        if a in free and b in free:
            free -= {a, b}
            pairs.append([entities[a], entities[b]])
    return pairs, [entities[n] for n in sorted(free)]


def _tasks_in_turn(lacking: Mapping[tuple[str, Split], int], count: int) -> list[str]:
    """A task for each pair, round by round, while it lacks both a forget and a retain entity."""
    left = {task: min(lacking[task, "forget"], lacking[task, "retain"]) for task, _ in lacking}
    turns: list[str] = []
    for task in cycle(list(left)):
        if len(turns) == count or not any(left.values()):
            return turns
        if left[task]:
            left[task] -= 1
            turns.append(task)
    return turns


def _nearest(
    row: int, splits: Mapping[Split, list[str]], where: Mapping[str, int], likeness: Likeness
) -> float:
    return max(
        (float(likeness[row, where[k]]) for keys in splits.values() for k in keys), default=-np.inf
    )


def _place(
    dealt: Dealt, lacking: dict[tuple[str, Split], int], task: str, split: Split, key: str
) -> None:
    dealt[task][split].append(key)
    lacking[task, split] -= 1


def _empty(sizes: Sizes) -> Dealt:
    return {task: {"forget": [], "retain": []} for task in task_names(sizes.tasks)}


def _sorted(dealt: Dealt) -> Dealt:
    return {
        task: {"forget": sorted(s["forget"]), "retain": sorted(s["retain"])}
        for task, s in sorted(dealt.items())
    }
