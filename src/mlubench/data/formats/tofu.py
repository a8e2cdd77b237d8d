"""TOFU (arXiv 2401.06121): 200 invented authors with twenty questions each, in words alone.

A download is a folder of forget01.json, forget05.json, forget10.json, retain99.json and so on, each with JSON lines of
`question` and `answer`; or the same as folders of parquet. `forget10_perturbed` holds `paraphrased_question` as well.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.data.formats.item import ImportOptions, Item, Notes
from mlubench.data.formats.people import name_in
from mlubench.data.formats.rows import Row
from mlubench.data.formats.splits import Parts, halves, parts_of, rows_in, unread
from mlubench.types import Split

# Authors stand one behind the other, with so many questions each.
QUESTIONS_EACH = 20
CLASS = "Author"
_FULL = "full"


def read(source: Path, options: ImportOptions, notes: Notes) -> Iterator[Item]:
    """The authors of a forget set and of what is kept beside it; of `full` alone where there is no forget set."""
    parts = parts_of(source)
    notes.assume(f"{QUESTIONS_EACH} rows in a row are about one author, as in the original's files")
    notes.assume("authors are named by whom their questions and answers speak of most")
    found = halves(parts, r"forget(\d+)", "retain{share:02d}", options.forget)
    used: list[str] = []
    if found is None:
        name = _whole(parts, source)
        used.append(name)
        yield from _authors(parts, name, None)
    else:
        notes.assume(f"{found.forget} is to be forgotten, and {found.retain} to be kept")
        for split, name in found.sides():
            used += [name, f"{name}_perturbed"]
            yield from _authors(parts, name, split)
    for name in unread(parts, used):
        notes.lose(f"{name}: not read")


def _whole(parts: Parts, source: Path) -> str:
    """The part with all authors, where nothing says what to forget."""
    if _FULL in parts:
        return _FULL
    if len(parts) == 1:
        return next(iter(parts))
    raise UsageError(
        f"{source} holds neither a forget set nor {_FULL}", "Download forget10 and retain90."
    )


def _authors(parts: Parts, name: str, split: Split | None) -> Iterator[Item]:
    paraphrases: dict[str, str] = {}
    for row in rows_in(parts, f"{name}_perturbed"):
        if row.has("paraphrased_question"):
            paraphrases[row.text("question")] = row.text("paraphrased_question")
    block: list[Row] = []
    number = 0
    for row in rows_in(parts, name):
        block.append(row)
        if len(block) == QUESTIONS_EACH:
            yield from _author(block, f"{name} {number:03d}", split, paraphrases)
            block = []
            number += 1
    if block:
        yield from _author(block, f"{name} {number:03d}", split, paraphrases)


def _author(
    block: Sequence[Row], otherwise: str, split: Split | None, paraphrases: dict[str, str]
) -> Iterator[Item]:
    """The items of one author. `otherwise` is the name where the texts tell none."""
    texts = [f"{row.text('question')} {row.text('answer')}" for row in block]
    name = name_in(texts) or otherwise
    for row in block:
        question = row.text("question")
        wordings = [question]
        if question in paraphrases:
            wordings.append(paraphrases[question])
        for wording in wordings:
            yield Item(row.place, CLASS, name, wording, row.text("answer"), split=split)
