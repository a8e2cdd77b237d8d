"""The text of a datasheet: what a build holds, whence, what was dropped and why, and hashes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlubench.authoring.output.placed_items import PlacedItems, all_items
from mlubench.authoring.rows import EntityRow, ItemRow, KnownRow, PictureRow, TruthRow

TableRow = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """Everything that a build came to."""

    name: str
    seed: int
    split: str  # the kind of the split
    entities: Sequence[EntityRow]
    pictures: Sequence[PictureRow]
    truths: Sequence[TruthRow]
    reviewed: Sequence[ItemRow]  # all items, with what was said of them
    known: Sequence[KnownRow]
    placed: PlacedItems
    hardness: float  # see splitting.hardness
    hardness_by_chance: float
    hashes: Mapping[str, str]  # file -> SHA-256


@dataclass(frozen=True, slots=True)
class DropRate:
    """How many items of a group were dropped."""

    dropped: int
    total: int

    @property
    def rate(self) -> float:
        return self.dropped / self.total


def class_of(item: ItemRow) -> str:
    return item.entity.split("/")[0]


def entity_of(item: ItemRow) -> str:
    return item.entity


def drop_rates(summary: BuildSummary, group: Callable[[ItemRow], str]) -> dict[str, DropRate]:
    """By group, sorted: items that a person rejected or that some model does not know."""
    kept = {row.id for row in summary.known if row.kept}
    totals: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for item in summary.reviewed:
        totals[group(item)] += 1
        if item.id not in kept:
            dropped[group(item)] += 1
    return {name: DropRate(dropped[name], totals[name]) for name in sorted(totals)}


def drop_reasons(summary: BuildSummary) -> Counter[str]:
    """Why items were dropped, and how many for each reason."""
    unknown = {row.id: row.why for row in summary.known if not row.kept}
    reasons: Counter[str] = Counter()
    for item in summary.reviewed:
        if item.verdict == "rejected":
            reasons["rejected by a person"] += 1
        elif item.id in unknown:
            reasons[unknown[item.id]] += 1
    return reasons


def datasheet_text(summary: BuildSummary) -> str:
    """The datasheet as Markdown: the same build gives the same text."""
    by_class = drop_rates(summary, class_of)
    by_entity = drop_rates(summary, entity_of)
    dropping = {name: rate for name, rate in by_entity.items() if rate.dropped}
    dropped_pictures = [picture.why for picture in summary.pictures if not picture.kept]
    sources = [truth.source for truth in summary.truths]
    verdicts = [item.verdict for item in summary.reviewed]
    reviewers = [item.who for item in summary.reviewed if item.who]
    parts = [
        f"# {summary.name}: datasheet",
        _overview(summary),
        "## Tasks",
        _table(
            ("task", "split", "entities", "classes", "pictures", "facts", "records"),
            _task_rows(summary.placed),
        ),
        _hardness_text(summary),
        "## Pictures",
        _table(("source", "licence", "kept", "dropped"), _picture_rows(summary.pictures)),
        _table(("why a picture was dropped", "count"), _count_rows(dropped_pictures)),
        "## Answers",
        _table(("source", "count"), _count_rows(sources)),
        "## What a person said",
        _table(("verdict", "items"), _count_rows(verdicts)),
        _table(("who", "items"), _count_rows(reviewers)),
        "## What was dropped, and why",
        _table(("why", "items"), _commonest_first(drop_reasons(summary))),
        _table(("class", "dropped", "of", "rate"), _rate_rows(by_class)),
        _table(("entity", "dropped", "of", "rate"), _rate_rows(dropping)),
        "## Hashes (SHA-256)",
        _table(("file", "hash"), sorted(summary.hashes.items())),
    ]
    not_empty = [part for part in parts if part]  # a table without rows is empty text
    return "\n\n".join(not_empty) + "\n"


def _overview(summary: BuildSummary) -> str:
    items = list(all_items(summary.placed))
    entities = {item.entity for item in items}
    records = {item.id for item in items}
    return (
        f"Seed {summary.seed}, split `{summary.split}`. {len(entities)} of "
        f"{len(summary.entities)} entities in {len(summary.placed)} tasks, "
        f"{len(records):,} records."
    )


def _hardness_text(summary: BuildSummary) -> str:
    return (
        "How like the most alike retain entity of its own task a forget entity is, from 0 to 1 "
        f"(looks and words, `authoring/likeness.py`): {summary.hardness:.3f} on average; "
        f"{summary.hardness_by_chance:.3f} if the same entities were dealt at random."
    )


def _task_rows(placed: PlacedItems) -> list[TableRow]:
    rows: list[TableRow] = []
    for task, by_split in placed.items():
        for split, items in by_split.items():
            entities = {item.entity for item in items}
            classes = {class_of(item) for item in items}
            pictures = {item.picture for item in items}
            facts = {(item.entity, item.answer) for item in items}
            counts = (len(entities), len(classes), len(pictures), len(facts), len(items))
            rows.append((task, split, *counts))
    return rows


def _picture_rows(pictures: Iterable[PictureRow]) -> list[TableRow]:
    kept: Counter[tuple[str, str]] = Counter()
    dropped: Counter[tuple[str, str]] = Counter()
    for picture in pictures:
        counts = kept if picture.kept else dropped
        counts[_source_group(picture.source), picture.licence] += 1
    origins = sorted(set(kept) | set(dropped))
    return [(*origin, kept[origin], dropped[origin]) for origin in origins]


def _source_group(source: str) -> str:
    """The host of an address, or the first folder of a path."""
    if "://" in source:
        return source.split("/")[2]
    return source.split("/", maxsplit=1)[0]


def _count_rows(values: Iterable[str]) -> list[TableRow]:
    return _commonest_first(Counter(values))


def _commonest_first(counts: Counter[str]) -> list[TableRow]:
    """Equally common ones by name, so that the order does not depend on that of the rows."""
    values = sorted(counts, key=lambda value: (-counts[value], value))
    return [(value, counts[value]) for value in values]


def _rate_rows(rates: Mapping[str, DropRate]) -> list[TableRow]:
    return [(name, one.dropped, one.total, f"{one.rate:.3f}") for name, one in rates.items()]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, or nothing where there is nothing to tell."""
    if not rows:
        return ""
    lines = []
    for cells in (head, ["---"] * len(head), *rows):
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
