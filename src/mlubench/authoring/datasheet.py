"""The datasheet of a build: what it holds, where it comes from, what was dropped and why, and the hashes of it all."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlubench.authoring.rows import AnswerRow, EntityRow, ItemRow, KnownRow, PictureRow
from mlubench.authoring.writing import Placed


@dataclass(frozen=True, slots=True)
class Made:
    """Everything that a build came to. `reviewed` are all items with what was said of them."""

    name: str
    seed: int
    split: str
    entities: Sequence[EntityRow]
    pictures: Sequence[PictureRow]
    answers: Sequence[AnswerRow]
    reviewed: Sequence[ItemRow]
    known: Sequence[KnownRow]
    placed: Placed
    hardness: float
    by_chance: float
    hashes: Mapping[str, str]


def drop_rates(made: Made, key: Callable[[ItemRow], str]) -> dict[str, tuple[int, int]]:
    """(dropped, all) items by what `key` says: rejected by a person, or not known to every model."""
    kept = {row.id for row in made.known if row.kept}
    rates: dict[str, tuple[int, int]] = {}
    for item in made.reviewed:
        gone, of = rates.get(key(item), (0, 0))
        rates[key(item)] = gone + (item.id not in kept), of + 1
    return dict(sorted(rates.items()))


def reasons(made: Made) -> dict[str, int]:
    """Why items were dropped, the commonest reason first."""
    why = {row.id: row.why for row in made.known if not row.kept}
    counts = Counter(
        "rejected by a person" if item.verdict == "rejected" else why[item.id]
        for item in made.reviewed
        if item.verdict == "rejected" or item.id in why
    )
    return dict(sorted(counts.items(), key=lambda x: (-x[1], x[0])))


def write_datasheet(made: Made) -> str:
    """The datasheet as Markdown: the same build gives the same text."""
    kept = {i.id for splits in made.placed.values() for items in splits.values() for i in items}
    placed = {
        key
        for splits in made.placed.values()
        for items in splits.values()
        for key in (i.entity for i in items)
    }
    parts = [
        f"# {made.name}: datasheet",
        f"Seed {made.seed}, split `{made.split}`. {len(placed)} of {len(made.entities)} entities in {len(made.placed)} "
        f"tasks, {len(kept):,} records.",
        "## Tasks",
        _table(
            ("task", "split", "entities", "classes", "pictures", "facts", "records"),
            _task_rows(made.placed),
        ),
        _hardness(made),
        "## Pictures",
        _table(("source", "licence", "kept", "dropped"), _picture_rows(made.pictures)),
        _table(
            ("why a picture was dropped", "count"),
            _counted(p.why for p in made.pictures if not p.kept),
        ),
        "## Answers",
        _table(("source", "count"), _counted(a.source for a in made.answers)),
        "## What a person said",
        _table(("verdict", "items"), _counted(i.verdict for i in made.reviewed)),
        _table(("who", "items"), _counted(i.who for i in made.reviewed if i.who)),
        "## What was dropped, and why",
        _table(("why", "items"), list(reasons(made).items())),
        _table(
            ("class", "dropped", "of", "rate"),
            _rates(drop_rates(made, lambda i: i.entity.split("/")[0])),
        ),
        _table(
            ("entity", "dropped", "of", "rate"),
            _rates(drop_rates(made, lambda i: i.entity), only_dropped=True),
        ),
        "## Hashes (SHA-256)",
        _table(("file", "hash"), sorted(made.hashes.items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _hardness(made: Made) -> str:
    return (
        "How like the most alike retain entity of its own task a forget entity is, from 0 to 1 (looks and words, "
        f"`authoring/likeness.py`): {made.hardness:.3f} on average; {made.by_chance:.3f} if the same entities were "
        "dealt at random."
    )


def _task_rows(placed: Placed) -> list[tuple[object, ...]]:
    return [
        (
            task,
            split,
            len({i.entity for i in items}),
            len({i.entity.split("/")[0] for i in items}),
            len({i.picture for i in items}),
            len({(i.entity, i.answer) for i in items}),
            len(items),
        )
        for task, splits in placed.items()
        for split, items in splits.items()
    ]


def _picture_rows(pictures: Iterable[PictureRow]) -> list[tuple[object, ...]]:
    counts: dict[tuple[str, str], list[int]] = {}
    for picture in pictures:
        # The address of each single picture is in pictures.jsonl.
        kind = (
            picture.source
            if "/" not in picture.source
            else picture.source.split("/")[2 if "://" in picture.source else 0]
        )
        counts.setdefault((kind, picture.licence), [0, 0])[not picture.kept] += 1
    return [(*key, kept, gone) for key, (kept, gone) in sorted(counts.items())]


def _counted(values: Iterable[str]) -> list[tuple[object, ...]]:
    counts = Counter(values)
    return [(value, counts[value]) for value in sorted(counts, key=lambda v: (-counts[v], v))]


def _rates(
    rates: Mapping[str, tuple[int, int]], *, only_dropped: bool = False
) -> list[tuple[object, ...]]:
    return [
        (key, gone, of, f"{gone / of:.3f}")
        for key, (gone, of) in rates.items()
        if gone or not only_dropped
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, or nothing where there is nothing to tell."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
