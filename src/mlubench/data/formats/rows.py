"""Rows of JSON, JSON lines and parquet, one after another, so that a file of any size can be read."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from mlubench.core.errors import DataError, UsageError, first_line
from mlubench.core.tensor_files import LFS_POINTER
from mlubench.data.formats.item import Place
from mlubench.data.records import short

SUFFIXES = (".json", ".jsonl", ".parquet")
_SEPARATORS = re.compile(r"[ \t\r\n,]*")
_CHUNK = 2**20  # characters that are read at once
_ROWS_AT_ONCE = 64  # of parquet, whose rows may hold pictures
_MEND = "Mend the file, or take the row out."


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the file gave it, and where it stands."""

    place: Place
    values: Mapping[str, Any]

    def has(self, column: str) -> bool:
        """Whether there is something in the field."""
        return self.values.get(column) is not None

    def text(self, column: str) -> str:
        """The text in a field, stripped. Raises DataError where there is none."""
        if column not in self.values:
            held = ", ".join(map(short, list(self.values)[:12]))
            raise self.place.error(column, f"is not there (the row has {held})", _MEND)
        value = self.values[column]
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.place.error(column, f"is {type(value).__name__}, not a text", _MEND)
        if not value.strip():
            raise self.place.error(column, "is empty", _MEND)
        return value.strip()

    def texts(self, column: str) -> list[str]:
        """The texts in a field that holds one, several or none."""
        value = self.values.get(column)
        if value is None:
            return []
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, Sequence) or not all(isinstance(text, str) for text in found):
            raise self.place.error(column, "holds something else than texts", _MEND)
        return [text.strip() for text in found if text.strip()]

    def part(self, column: str) -> "Row":
        """The object in a field; an object without keys where there is none. It may be written as a JSON text."""
        value = self._decoded(column)
        if value is None:
            return Row(self.place, {})
        if not isinstance(value, Mapping):
            raise self.place.error(column, f"is {type(value).__name__}, not an object", _MEND)
        return Row(self.place, value)

    def parts(self, column: str) -> "list[Row]":
        """The objects in a field that holds a list of them; none where it is empty. It may be written as a JSON text."""
        value = self._decoded(column)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise self.place.error(column, "is not a list of objects", _MEND)
        return [Row(self.place, one) for one in value]

    def _decoded(self, column: str) -> Any:
        value = self.values.get(column)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise self.place.error(column, f"is no JSON: {error}", _MEND) from None


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file, by its name's ending: a JSON list or JSON lines, or parquet.

    Raises DataError for a file that cannot be read, UsageError where pyarrow is missing.
    """
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
        return
    for number, value in enumerate(_json_values(path)):
        if not isinstance(value, dict):
            raise DataError(f"{path} row {number} is {type(value).__name__}, not an object", _MEND)
        yield Row(Place(path, number), value)


def _json_values(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8-sig") as handle:
            yield from _values(path, handle)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start})", "Save it anew.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", "Check it.") from None


def _values(path: Path, handle: TextIO) -> Iterator[Any]:
    """The values of a list, or of lines, without reading more than is needed for the next."""
    decoder = json.JSONDecoder()
    buffer = handle.read(_CHUNK).lstrip()
    if buffer.encode().startswith(LFS_POINTER):
        raise DataError(f"{path} is a Git LFS pointer, not the file", "Fetch it: git lfs pull.")
    is_list = buffer.startswith("[")
    position = 1 if is_list else 0
    number = 0
    while True:
        position = _after_separators(buffer, position)
        if position == len(buffer):
            position = 0
            buffer = handle.read(_CHUNK)
            if buffer:
                continue
            break
        if is_list and buffer[position] == "]":
            return
        try:
            value, end = decoder.raw_decode(buffer, position)
        except (ValueError, RecursionError) as error:
            more = handle.read(_CHUNK)
            if not more:
                raise DataError(f"{path} row {number} is no JSON: {error}", _MEND) from None
            buffer = buffer[position:] + more
            position = 0
            continue
        yield value
        number += 1
        position = end
    if is_list:
        raise DataError(
            f"{path} ends after row {number - 1}, before its list does", "Fetch it anew."
        )


def _after_separators(text: str, position: int) -> int:
    """Where the next value begins: between values there are commas in a list, and ends of lines elsewhere."""
    found = _SEPARATORS.match(text, position)
    return found.end() if found else position


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            "the pyarrow package is missing", "Run: pip install 'mlubench[build]'."
        ) from None
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                for values in batch.to_pylist():
                    yield Row(Place(path, number), values)
                    number += 1
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read at row {number}: {first_line(error)}", "Fetch it anew."
        ) from None
