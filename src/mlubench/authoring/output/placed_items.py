"""The items of a benchmark in their tasks and splits, as every written form of it holds them."""

from collections.abc import Iterable, Iterator

from mlubench.authoring.rows import ItemRow
from mlubench.authoring.splitting import TaskSplits
from mlubench.types import Split

PlacedItems = dict[str, dict[Split, list[ItemRow]]]  # task -> split -> its items, in a fixed order


def place_items(items: Iterable[ItemRow], splits: TaskSplits) -> PlacedItems:
    """The items of every task and split. Those of entities in no split are left out."""
    places: dict[str, tuple[str, Split]] = {}  # entity key -> its task and split
    placed: PlacedItems = {}
    for task, by_split in splits.items():
        placed[task] = {"forget": [], "retain": []}
        for split, keys in by_split.items():
            for key in keys:
                places[key] = (task, split)
    for item in sorted(items, key=lambda i: (i.entity, i.picture, i.question, i.phrasing)):
        if item.entity in places:
            task, split = places[item.entity]
            placed[task][split].append(item)
    return placed


def all_items(placed: PlacedItems) -> Iterator[ItemRow]:
    for by_split in placed.values():
        for items in by_split.values():
            yield from items
