"""Files in the style of LLaVA-Instruct (arXiv 2304.08485): a list of records with `conversations`, most with an `image`.

A record has turns from `human` and `gpt` by turns. It names no entity, so one is taken from its `entity`, from the
folder of its picture, or each picture is one of its own.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlubench.core.errors import UsageError
from mlubench.data.formats.item import ImportOptions, Item, Notes, Picture
from mlubench.data.formats.pictures import picture_in
from mlubench.data.formats.rows import SUFFIXES, Row, rows_of

CLASS = "Picture"
TEXT = "Text"


def read(source: Path, options: ImportOptions, notes: Notes) -> Iterator[Item]:
    """Each question with the answer behind it."""
    images = options.images or (source if source.is_dir() else source.parent)
    files = [source] if source.is_file() else sorted(source.glob("*.json*"))
    files = [path for path in files if path.suffix in SUFFIXES]
    if not files:
        raise UsageError(f"{source} holds no JSON file", "Give the file with the conversations.")
    notes.assume("an entity is a record's `entity`, else its picture's folder, else the picture")
    for path in files:
        for row in rows_of(path):
            yield from _record(row, images, notes)


def _record(row: Row, images: Path, notes: Notes) -> Iterator[Item]:
    picture = picture_in(row, "image", images)
    cls, name = _subject(row, picture)
    turns = row.parts("conversations")
    if not turns:
        raise row.place.error("conversations", "holds no turn", "Mend it, or take the row out.")
    for number in range(0, len(turns) - 1, 2):
        question, answer = turns[number], turns[number + 1]
        _require_speakers(question, answer)
        if number:
            notes.lose("what was said before a question, of conversations with several")
        yield Item(row.place, cls, name, question.text("value"), answer.text("value"), picture)
    if len(turns) % 2:
        notes.lose("last turns without an answer")


def _require_speakers(question: Row, answer: Row) -> None:
    for turn, speaker in ((question, "human"), (answer, "gpt")):
        said_by = turn.text("from")
        if said_by != speaker:
            raise turn.place.error(
                "conversations",
                f"a turn is from {said_by!r} where {speaker!r} is expected",
                "Mend it.",
            )


def _subject(row: Row, picture: Picture | None) -> tuple[str, str]:
    """Class and name of what a record is about."""
    if row.has("entity"):
        cls, _, name = row.text("entity").rpartition("/")
        return cls or CLASS, name
    if picture is None:
        return TEXT, row.text("id")
    if isinstance(picture.content, bytes):
        return CLASS, row.text("id")
    path = PurePosixPath(row.text("image"))
    # Of .../Class/Entity/file.jpg, as in the official layout.
    if len(path.parts) > 2:
        return path.parts[-3], path.parts[-2]
    return CLASS, str(path.with_suffix(""))
