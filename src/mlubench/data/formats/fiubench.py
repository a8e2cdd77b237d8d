"""FIUBench (arXiv 2411.03554): 400 invented people, a face and twenty questions about private facts each.

A download is a JSON file with a row for each person (`unique_id`, `name`, `image_path`, `qa_list` with `question`,
`answer` and `paraphrased_question`), `split.json` with the ids to be forgotten, and the pictures; or parquet with `image`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from mlubench.core.errors import DataError, UsageError, unknown_name
from mlubench.core.reading import json_value
from mlubench.data.formats.item import ImportOptions, Item, Notes, Picture
from mlubench.data.formats.pictures import picture_in
from mlubench.data.formats.rows import Row, rows_of
from mlubench.data.formats.splits import parts_of
from mlubench.types import Split

CLASS = "Person"
# The original takes the first so many people.
MOST_PEOPLE = 400
_SPLITS = "split.json"


def read(source: Path, options: ImportOptions, notes: Notes) -> Iterator[Item]:
    """Every question about everybody, in its own words and in the paraphrases that are there."""
    folder = source if source.is_dir() else source.parent
    images = options.images or folder
    forgotten = _forgotten(folder / _SPLITS, options, notes)
    # Whose each name is: two may have one.
    owners: dict[str, str] = {}
    people = 0
    beyond = 0
    for row in _people(source):
        if people == MOST_PEOPLE:
            beyond += 1
            continue
        people += 1
        yield from _person(row, _name(row, owners), images, forgotten)
    if beyond:
        notes.lose(f"people beyond the first {MOST_PEOPLE}, whom the original leaves out", beyond)
    notes.lose("paraphrased and perturbed answers, keywords and captions: not read", people)


def _people(source: Path) -> Iterator[Row]:
    """The rows of the first file that has people in it."""
    for paths in parts_of(source).values():
        found = False
        for path in paths:
            if path.name == _SPLITS:
                continue
            for row in rows_of(path):
                if not row.has("qa_list"):
                    break
                found = True
                yield row
        if found:
            return
    raise UsageError(f"no file of {source} has rows with qa_list", "Give the download of FIUBench.")


def _forgotten(path: Path, options: ImportOptions, notes: Notes) -> set[str] | None:
    """The ids of those who are to be forgotten; None where nothing says so."""
    if not path.is_file():
        if options.forget is not None:
            raise UsageError(f"{path} is not there, so there is no {options.forget}", "Fetch it.")
        return None
    try:
        splits = json_value(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}", "Fetch it again.") from None
    if not isinstance(splits, dict) or not all(isinstance(v, list) for v in splits.values()):
        raise DataError(f"{path} is not an object of lists of ids", "Fetch it again.")
    names = [name for name in splits if name.startswith("forget")]
    if not names:
        raise DataError(
            f"{path} names no forget set ({json.dumps(list(splits))})", "Fetch it again."
        )
    if options.forget is not None and options.forget not in names:
        raise unknown_name("forget set", options.forget, names)
    chosen = options.forget or max(names, key=lambda name: len(splits[name]))
    notes.assume(f"{chosen} of {_SPLITS} is to be forgotten, and everybody else is kept")
    return {str(one) for one in splits[chosen]}


def _person(row: Row, name: str, images: Path, forgotten: set[str] | None) -> Iterator[Item]:
    picture = _picture(row, images)
    split: Split | None = None
    if forgotten is not None:
        split = "forget" if row.text("unique_id") in forgotten else "retain"
    for one in row.parts("qa_list"):
        answer = one.text("answer")
        for question in dict.fromkeys([one.text("question"), *one.texts("paraphrased_question")]):
            yield Item(row.place, CLASS, name, question, answer, picture, split)


def _name(row: Row, owners: dict[str, str]) -> str:
    """The person's name, with the id behind it where somebody else has that name; the id where there is no name."""
    identity = row.text("unique_id")
    if not row.has("name"):
        return identity
    name = row.text("name")
    owner = owners.setdefault(name, identity)
    return name if owner == identity else f"{name} {identity}"


def _picture(row: Row, images: Path) -> Picture:
    column = "image" if row.has("image") else "image_path"
    picture = picture_in(row, column, images)
    if picture is None:
        raise row.place.error(column, "holds no picture", "Check the download.")
    return picture
