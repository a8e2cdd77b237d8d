"""What kind of picture each is, where a release says so: a view of a photograph that is trained on, or another one.

`ROOT/pictures.csv` has a line for each picture: image, kind, source. A release without the file says nothing, and its
pictures are of no stated kind.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from mlubench.core.errors import DataError

PICTURES = "pictures.csv"
# `other-photo`: another author, source or rendering. Such pictures are only ever tested on.
PictureKind = Literal["same-photo", "other-photo"]
KINDS: tuple[PictureKind, ...] = get_args(PictureKind)
_COLUMNS = ["image", "kind", "source"]


def read_kinds(root: Path) -> dict[str, PictureKind]:
    """Picture path -> kind; empty where the release has no such table. Raises DataError naming the line that is wrong."""
    return {image: kind for image, (kind, _) in _read_table(root).items()}


def read_sources(root: Path) -> dict[str, str]:
    """Picture path -> what it is a view of; empty where the release has no such table. Raises DataError as `read_kinds`."""
    return {image: source for image, (_, source) in _read_table(root).items()}


def _read_table(root: Path) -> dict[str, tuple[PictureKind, str]]:
    path = root / PICTURES
    if not path.is_file():
        return {}
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}", "Save it as UTF-8 text.") from None
    if not rows or rows[0] != _COLUMNS:
        raise DataError(
            f"{path} does not begin with the columns {','.join(_COLUMNS)}",
            "Write them as its first line.",
        )
    found: dict[str, tuple[PictureKind, str]] = {}
    for number, row in enumerate(rows[1:], start=2):
        kind = next((kind for kind in KINDS if row[1:2] == [kind]), None)
        if kind is None or len(row) != len(_COLUMNS):
            raise DataError(
                f"{path} line {number} is not image, kind and source",
                f"The kind is one of: {', '.join(KINDS)}.",
            )
        found[row[0]] = (kind, row[2])
    return found


def picture_table(kinds: Mapping[str, tuple[PictureKind, str]]) -> str:
    """The file's text. `kinds` is by picture path: its kind and its source."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for image, (kind, source) in kinds.items():
        writer.writerow([image, kind, source])
    return text.getvalue()
