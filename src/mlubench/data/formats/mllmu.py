"""MLLMU-Bench (arXiv 2410.22108): invented people with a portrait, and celebrities, asked with the picture and in words.

A download is folders of parquet: `forget_5`, `forget_10`, `forget_15` with `retain_95` and so on, `Test_Set` with other
pictures of the same people, `Retain_Set` with celebrities. A row is a person: `ID`, `image` (or `images`), `question`
and `answer`, `Classification_Task`, `Generation_Task` and `Mask_Task`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.data.formats.item import ImportOptions, Item, Notes, Picture
from mlubench.data.formats.people import name_in
from mlubench.data.formats.pictures import picture_in, pictures_in
from mlubench.data.formats.rows import Row
from mlubench.data.formats.splits import halves, parts_of, rows_in, unread
from mlubench.data.picture_kinds import PictureKind
from mlubench.types import Split

PERSON = "Person"
CELEBRITY = "Celebrity"
_TEST = "Test_Set"
_CELEBRITIES = "Retain_Set"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question about a person."""

    question: str
    answer: str
    in_words: bool


def read(source: Path, options: ImportOptions, notes: Notes) -> Iterator[Item]:
    """All questions about the people of a forget set, of what is kept beside it, and about celebrities."""
    parts = parts_of(source)
    found = halves(parts, r"forget_(\d+)", "retain_{share}", options.forget)
    if found is None:
        raise UsageError(f"{source} holds no forget set", "Download forget_10 and retain_90.")
    notes.assume(f"{found.forget} is to be forgotten, and {found.retain} to be kept")
    notes.assume("people are named by whom their texts speak of most, else by ID")
    notes.assume(
        "multiple choice is asked with its options, and answered by the text of the right one"
    )
    notes.assume("a gap is asked for as: Fill in the blank: ...")
    names: dict[str, str] = {}
    splits: dict[str, Split] = {}
    for split, name in found.sides():
        for row in rows_in(parts, name):
            identity = row.text("ID")
            names[identity] = _name(row, names)
            splits[identity] = split
            yield from _person(row, source, PERSON, names[identity], split)
    for row in rows_in(parts, _CELEBRITIES):
        name = _name(row, names)
        names[f"{_CELEBRITIES} {row.text('ID')}"] = name
        yield from _person(row, source, CELEBRITY, name, "retain")
    for row in rows_in(parts, _TEST):
        identity = row.text("ID")
        if identity in splits:
            yield from _person(
                row, source, PERSON, names[identity], splits[identity], "other-photo"
            )
    used = [found.forget, found.retain, _CELEBRITIES, _TEST]
    if _TEST in parts:
        notes.assume(f"the pictures of {_TEST} are only ever tested on")
    else:
        notes.lose(f"{_TEST}: not there, so that everybody has one picture")
    for name in unread(parts, used):
        notes.lose(f"{name}: not read")


def _name(row: Row, taken: dict[str, str]) -> str:
    """The person's name, as their texts tell it. Two of one name are told apart by ID."""
    identity = row.text("ID")
    texts = [f"{asked.question} {asked.answer}" for asked in _asked(row) if asked.in_words]
    if row.has("biography") and isinstance(row.values["biography"], str):
        texts.append(row.text("biography"))
    name = name_in(texts) or identity
    return f"{name} {identity}" if name in taken.values() else name


def _person(
    row: Row,
    source: Path,
    cls: str,
    name: str,
    split: Split,
    kind: PictureKind | None = None,
) -> Iterator[Item]:
    pictures = _pictures(row, source)
    for asked in _asked(row):
        if asked.in_words:
            yield Item(row.place, cls, name, asked.question, asked.answer, split=split)
            continue
        for picture in pictures:
            yield Item(
                row.place,
                cls,
                name,
                asked.question,
                asked.answer,
                picture,
                split=split,
                picture_kind=kind,
            )


def _pictures(row: Row, source: Path) -> Sequence[Picture]:
    found = pictures_in(row, "images", source) if row.has("images") else []
    picture = picture_in(row, "image", source)
    if picture is not None:
        found = [picture, *found]
    if not found:
        raise row.place.error("image", "holds no picture", "Check the download.")
    return found


def _asked(row: Row) -> Iterator[_Asked]:
    """Everything that is asked about the person of a row."""
    if row.has("question"):
        yield _Asked(row.text("question"), row.text("answer"), in_words=False)
    for one in row.parts("Generation_Task"):
        yield _Asked(one.text("Question"), one.text("Ground_Truth"), _is_in_words(one))
    for one in row.parts("Mask_Task"):
        question = f"Fill in the blank: {one.text('Question')}"
        yield _Asked(question, one.text("Ground_Truth"), _is_in_words(one))
    choices = row.part("Classification_Task")
    for column, in_words in (("Image_Textual_Questions", False), ("Pure_Text_Questions", True)):
        for one in choices.parts(column):
            yield _choice(one, in_words)


def _is_in_words(one: Row) -> bool:
    """Whether a question goes without the picture: its type is Pure_Text then, and Image_Textual otherwise."""
    return one.has("Type") and one.text("Type").lower().startswith("pure")


def _choice(one: Row, in_words: bool) -> _Asked:
    options = one.part("Options")
    letter = one.text("Correct_Answer")
    lines = [one.text("Question")]
    lines += [f"{name}. {options.text(name)}" for name in options.values if options.has(name)]
    if not options.has(letter):
        raise one.place.error("Correct_Answer", f"{letter!r} is none of the options", "Mend it.")
    return _Asked("\n".join(lines), options.text(letter), in_words)
