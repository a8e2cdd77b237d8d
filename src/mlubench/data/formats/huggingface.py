"""A folder of the Hugging Face `datasets` layout, or one file of it: parquet or JSON with a column for each thing.

What is to be forgotten is told by a column `split`, or by a file or folder whose name begins with forget or retain. A
folder above it that is no usual name is taken for the task: so `mlubench data build` writes data/TASK/SPLIT.parquet.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from mlubench.core.errors import UsageError, unknown_name
from mlubench.data.formats.item import ImportOptions, Item, Notes
from mlubench.data.formats.pictures import picture_in
from mlubench.data.formats.rows import SUFFIXES, Row, rows_of
from mlubench.types import Split

# Our columns, and what others call them.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "prompt", "instruction"),
    "answer": ("answer", "response", "output"),
    "entity": ("entity", "name", "person", "subject", "concept"),
    "class": ("class", "category"),
    "image": ("image", "image_path", "file_name"),
    "split": ("split",),
    "task": ("task",),
}
_NEEDED = ("question", "answer", "entity")
CLASS = "Entity"
# Folders that say nothing of a task.
_USUAL = ("data", "train", "test", "default", "forget", "retain")
_SPLITS: tuple[Split, ...] = get_args(Split)


def read(source: Path, options: ImportOptions, notes: Notes) -> Iterator[Item]:
    """Each row is a question. `options.columns` says which column stands for one of ours."""
    for ours in options.columns:
        if ours not in COLUMNS:
            raise unknown_name("column", ours, COLUMNS)
    files = _files(source)
    told: set[str] = set()
    for path in files:
        of_file = _split_in(path, source)
        task = _task_in(path, source) if of_file is not None else None
        for row in rows_of(path):
            columns = _columns(row, options)
            told |= set(row.values) - set(columns.values())
            yield _item(row, columns, options.images or path.parent, of_file, task)
    for name in sorted(told):
        notes.lose(f"column {name}: not read")


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    found = []
    for path in sorted(source.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
        if path.suffix in SUFFIXES and path.is_file() and not is_hidden:
            found.append(path)
    if not found:
        raise UsageError(f"{source} holds no file of the kinds {', '.join(SUFFIXES)}", "Check it.")
    return found


def _columns(row: Row, options: ImportOptions) -> dict[str, str]:
    """The row's own name of each of our columns that it has."""
    found: dict[str, str] = {}
    for ours, usual in COLUMNS.items():
        given = options.columns.get(ours)
        names = usual if given is None else (given,)
        present = [name for name in names if name in row.values]
        if present:
            found[ours] = present[0]
        elif given is not None or ours in _NEEDED:
            held = ", ".join(row.values)
            raise row.place.error(
                given or ours,
                f"is not there (the row has {held})",
                f"Say which it is: --column {ours}=NAME.",
            )
    return found


def _item(
    row: Row, columns: Mapping[str, str], images: Path, split: Split | None, task: str | None
) -> Item:
    cls = CLASS
    if "class" in columns and row.has(columns["class"]):
        cls = row.text(columns["class"])
    if "split" in columns:
        split = _split_named(row, columns["split"])
    if "task" in columns and row.has(columns["task"]):
        task = row.text(columns["task"])
    picture = picture_in(row, columns["image"], images) if "image" in columns else None
    return Item(
        row.place,
        cls,
        row.text(columns["entity"]),
        row.text(columns["question"]),
        row.text(columns["answer"]),
        picture,
        split,
        task,
    )


def _split_named(row: Row, column: str) -> Split | None:
    """What a column says; None where it says something else, as `train`."""
    value = row.values[column]
    return next((split for split in _SPLITS if split == value), None)


def _split_in(path: Path, source: Path) -> Split | None:
    """What the names of a file and of its folders, from the file up, say of all its rows."""
    names = [path.stem, *(folder.name for folder in path.parents if folder.is_relative_to(source))]
    for name in names:
        for split in _SPLITS:
            if name.lower().startswith(split):
                return split
    return None


def _task_in(path: Path, source: Path) -> str | None:
    """The nearest folder below the source that is named after a task."""
    for folder in path.parents:
        if folder == source or not folder.is_relative_to(source):
            return None
        if not folder.name.lower().startswith(_USUAL):
            return folder.name
    return None
