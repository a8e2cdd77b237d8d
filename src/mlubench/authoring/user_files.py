"""CSV and YAML files that people bring: read with limits, and every wrong line named."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlubench.core.errors import UsageError
from mlubench.core.reading import parse_yaml

MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row of a CSV file."""

    line: int  # where it ends in the file, from 1
    cells: dict[str, str]  # column -> text, stripped; without the columns that a short row lacks


def read_text(path: Path) -> str:
    """UTF-8 text, with or without a byte order mark.

    Raises UsageError for anything else: pipes and devices too, which could be read for ever.
    """
    if not path.is_file():
        problem = "is no plain file" if path.exists() else "does not exist"
        raise UsageError(f"{path} {problem}", "See docs/building.md.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UsageError(f"{path} has {size} bytes, more than {MAX_BYTES}", "Split it.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 text (byte {error.start})", "Save it as UTF-8."
        ) from None


def read_csv(path: Path, needed: tuple[str, ...], is_column: Callable[[str], bool]) -> list[CsvRow]:
    """The rows of a CSV file with a line of column names. Empty rows are left out.

    Raises UsageError where a `needed` column is missing, a name is no column or comes twice, or a
    row has too many cells.
    """
    # Strict, so that a quote which is never closed is an error and does not swallow the rest.
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows = []
    try:
        columns = [cell.strip() for cell in next(reader, [])]
        _check_columns(path, columns, needed, is_column)
        for cells in reader:
            if len(cells) > len(columns):
                raise UsageError(
                    f"{path}, line {reader.line_num} has {len(cells)} cells, not {len(columns)}",
                    'Use "".',
                )
            texts = [cell.strip() for cell in cells]
            if any(texts):
                # A row may end early: the last cells are then empty.
                rows.append(CsvRow(reader.line_num, dict(zip(columns, texts, strict=False))))
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {reader.line_num} is no CSV: {error}", "Mend the line."
        ) from None
    return rows


def _check_columns(
    path: Path, columns: list[str], needed: tuple[str, ...], is_column: Callable[[str], bool]
) -> None:
    hint = f"Begin with a line of column names: {', '.join(needed)}."
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UsageError(f"{path} has no column {', '.join(missing)}", hint)
    wrong = {name for name in columns if not is_column(name) or columns.count(name) > 1}
    if wrong:
        names = ", ".join(repr(name) for name in sorted(wrong))
        raise UsageError(f"{path}: columns {names} are unknown or there twice", hint)


def read_yaml_value(path: Path) -> object:
    """The value of a YAML file.

    Aliases are refused: a few lines of them can stand for a value of any size.
    """
    text = read_text(path)
    value = parse_yaml(text, str(path))
    if "*" in text and _has_alias(text):
        raise UsageError(
            f"{path} uses YAML anchors and aliases (&, *)",
            "Write the value out, or quote the star.",
        )
    return value


def _has_alias(text: str) -> bool:
    tokens = yaml.scan(text, Loader=yaml.SafeLoader)
    return any(isinstance(token, yaml.AliasToken) for token in tokens)
