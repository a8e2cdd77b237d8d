"""CLEAR (arXiv 2410.18057): TOFU's authors with pictures.

A download is folders of parquet: `forget10` and `retain90` (also 01 with 99, 05 with 95) with `image`, `caption` and
`name`, and `forget10+tofu` and `retain90+tofu`, whose rows without a picture are TOFU's `question` and `answer`.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.data.formats.item import ImportOptions, Item, Notes
from mlubench.data.formats.people import name_in
from mlubench.data.formats.pictures import picture_in
from mlubench.data.formats.rows import Row
from mlubench.data.formats.splits import Parts, halves, parts_of, rows_in, unread
from mlubench.data.formats.tofu import CLASS, QUESTIONS_EACH
from mlubench.types import Split

# The original asks for the caption by one of nine such requests, drawn anew each time.
CAPTION_QUESTION = "Describe the image in detail."
NAME_QUESTION = "What is the name of the person in this picture?"


def read(source: Path, options: ImportOptions, notes: Notes) -> Iterator[Item]:
    """Captions and names on pictures, and TOFU's questions in words alone where they are there."""
    parts = parts_of(source)
    found = halves(parts, r"forget(\d+)", "retain{share:02d}", options.forget)
    if found is None:
        raise UsageError(f"{source} holds no forget set", "Download forget10 and retain90.")
    notes.assume(f"{found.forget} is to be forgotten, and {found.retain} to be kept")
    notes.assume(f"captions answer one request: {CAPTION_QUESTION!r}")
    notes.assume(f"names are asked on every picture: {NAME_QUESTION!r}")
    used: list[str] = []
    for split, name in found.sides():
        with_words = f"{name}+tofu"
        used += [name, with_words]
        names: set[str] = set()
        for row in rows_in(parts, name):
            names.add(row.text("name"))
            yield from _on_picture(row, source, split)
        if with_words in parts:
            notes.assume(f"{QUESTIONS_EACH} questions in a row are about one author, as in TOFU")
            yield from _in_words(parts, with_words, names, split)
        else:
            notes.lose(f"{with_words}: not there, so nothing is asked in words alone")
    for name in unread(parts, used):
        notes.lose(f"{name}: not read")


def _on_picture(row: Row, source: Path, split: Split) -> Iterator[Item]:
    picture = picture_in(row, "image", source)
    if picture is None:
        raise row.place.error("image", "holds no picture", "Check the download.")
    name = row.text("name")
    asked = {CAPTION_QUESTION: row.text("caption"), NAME_QUESTION: name}
    for question, answer in asked.items():
        yield Item(row.place, CLASS, name, question, answer, picture, split)


def _in_words(parts: Parts, part: str, names: Collection[str], split: Split) -> Iterator[Item]:
    block: list[Row] = []
    number = 0
    for row in rows_in(parts, part):
        # Rows with a picture are those of the part without words once more.
        if row.has("image"):
            continue
        block.append(row)
        if len(block) == QUESTIONS_EACH:
            yield from _author(block, names, f"{part} {number:03d}", split)
            block = []
            number += 1
    if block:
        yield from _author(block, names, f"{part} {number:03d}", split)


def _author(
    block: Sequence[Row], names: Collection[str], otherwise: str, split: Split
) -> Iterator[Item]:
    texts = [f"{row.text('question')} {row.text('answer')}" for row in block]
    name = _known_name(texts, names) or name_in(texts) or otherwise
    for row in block:
        yield Item(row.place, CLASS, name, row.text("question"), row.text("answer"), split=split)


def _known_name(texts: Sequence[str], names: Collection[str]) -> str | None:
    """Whom of those with pictures most of these texts name."""
    counts = Counter(name for text in texts for name in names if name in text)
    return max(sorted(counts), key=lambda name: counts[name]) if counts else None
