"""What people said of a build's items: a log that only grows, and the items with its last words."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlubench.authoring.rows import ItemRow, ReviewVerdict, Row, read_rows, row_line
from mlubench.core.errors import DataError

LOG = "verdicts.jsonl"


class ReviewRow(Row):
    """One person's word on one item. A later line of the log counts."""

    identity = ("id",)
    id: str  # the item's
    verdict: ReviewVerdict
    answer: str = ""  # what an edited item should say
    who: str
    when: str


def read_log(path: Path) -> dict[str, ReviewRow]:
    """The last word on each item, by item id; empty where nobody has said anything."""
    if not path.is_file():
        return {}
    return {row.id: row for row in read_rows(path, ReviewRow, unique=False)}


def append_to_log(path: Path, rows: Iterable[ReviewRow]) -> None:
    """Add to the log. Returns when it is on the disk: what a person sees as saved is saved."""
    text = "".join(row_line(row) for row in rows)
    with path.open("a", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def apply_verdicts(items: Sequence[ItemRow], verdicts: Mapping[str, ReviewRow]) -> list[ItemRow]:
    """The items with what was said of them. Words on items that are no longer there are ignored."""
    return [_reviewed(item, verdicts.get(item.id)) for item in items]


def _reviewed(item: ItemRow, review: ReviewRow | None) -> ItemRow:
    # A person takes a word back by saying `pending`.
    if review is None or review.verdict == "pending":
        return item
    change = {"verdict": review.verdict, "who": review.who, "when": review.when}
    if review.verdict == "edited":
        change["answer"] = review.answer
    return item.model_copy(update=change)


def usable_items(items: Sequence[ItemRow], *, required: bool) -> list[ItemRow]:
    """What a benchmark may be made from: nothing rejected and, where `required`, nothing unseen.

    Raises DataError counting the items that nobody has looked at.
    """
    pending = sum(item.verdict == "pending" for item in items)
    if required and pending:
        raise DataError(
            f"{pending:,} of {len(items):,} items wait for a person",
            "Look at them: `mlubench data review DIR`.",
        )
    return [item for item in items if item.verdict != "rejected"]
