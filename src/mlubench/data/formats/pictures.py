"""A picture in a row: a file that is named, bytes, or base64."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

from mlubench.core.spelling import path_below
from mlubench.data.formats.item import Picture
from mlubench.data.formats.rows import Row
from mlubench.data.records import short

# How PNG, JPEG and WebP begin in base64.
_ENCODED_HEADS = ("iVBORw0KGgo", "/9j/", "UklGR")


def picture_in(row: Row, column: str, folder: Path) -> Picture | None:
    """The picture in a field; None where there is none. Paths begin at `folder`.

    Raises DataError for what is no picture, and for a path that leaves the folder or leads nowhere.
    """
    return _picture(row, column, row.values.get(column), folder)


def pictures_in(row: Row, column: str, folder: Path) -> list[Picture]:
    """The pictures in a field that holds a list of them."""
    values = row.values.get(column) or []
    if not isinstance(values, list):
        raise row.place.error(column, "is not a list of pictures", "Check the download.")
    found = [_picture(row, column, value, folder) for value in values]
    return [picture for picture in found if picture is not None]


def _picture(row: Row, column: str, value: object, folder: Path) -> Picture | None:
    # `datasets` writes a picture as its bytes and the path that it had.
    if isinstance(value, Mapping):
        inside = value.get("bytes")
        value = value.get("path") if inside is None else inside
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return Picture(value, column)
    if not isinstance(value, str):
        raise row.place.error(column, f"is {type(value).__name__}, no picture", "Check the file.")
    if value.startswith(("data:", *_ENCODED_HEADS)):
        return Picture(_decoded(row, column, value), column)
    return Picture(_file(row, column, value, folder), column)


def _decoded(row: Row, column: str, text: str) -> bytes:
    """The bytes of a base64 text, with or without the head of a data URI."""
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error as error:
        raise row.place.error(column, f"is no base64: {error}", "Check the file.") from None


def _file(row: Row, column: str, name: str, folder: Path) -> Path:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or Path(name).is_absolute():
        raise row.place.error(
            column, f"{short(name)} leaves the folder", "Give pictures by paths below it: --images."
        )
    # A path may begin further up than where the download lies now.
    for start in range(len(parts)):
        path = path_below(folder, "/".join(parts[start:]))
        if path.is_file():
            return path
    raise row.place.error(
        column, f"{short(name)} is not below {folder}", "Name the pictures' folder: --images."
    )
