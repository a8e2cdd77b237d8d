"""CSV and YAML files that people bring: read with limits, and every wrong line named."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mlubench.core.errors import UsageError

MAX_BYTES = 256 * 2**20
_Loader: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # ten times faster on a list of many entities


def read_text(path: Path) -> str:
    """UTF-8, with or without a byte order mark. Raises UsageError for anything else, pipes and devices included."""
    if not path.is_file():
        raise UsageError(
            f"{path} {'is no plain file' if path.exists() else 'does not exist'}",
            "See docs/building.md.",
        )
    if (size := path.stat().st_size) > MAX_BYTES:
        raise UsageError(f"{path} has {size} bytes, more than {MAX_BYTES}", "Split it.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 text (byte {error.start})", "Save it as UTF-8."
        ) from None


def read_csv(
    path: Path, needed: tuple[str, ...], known: Callable[[str], bool]
) -> list[tuple[int, dict[str, str]]]:
    """(line, {column: text}) of each row, texts stripped, empty rows left out.

    Raises UsageError where a `needed` column is missing, one is not `known` or comes twice, or a row has too many cells.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    hint = f"Begin with a line of column names: {', '.join(needed)}."
    try:
        head = [cell.strip() for cell in next(reader, [])]
        if missing := [name for name in needed if name not in head]:
            raise UsageError(f"{path} has no column {', '.join(missing)}", hint)
        if odd := sorted({name for name in head if not known(name) or head.count(name) > 1}):
            raise UsageError(
                f"{path}: columns {', '.join(map(repr, odd))} are unknown or there twice", hint
            )
        rows = []
        for cells in reader:
            if len(cells) > len(head):
                raise UsageError(
                    f"{path}, line {reader.line_num} has {len(cells)} cells, not {len(head)}",
                    'Use "".',
                )
            if any(cell.strip() for cell in cells):
                rows.append(
                    (reader.line_num, {n: c.strip() for n, c in zip(head, cells, strict=False)})
                )
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {reader.line_num} is no CSV: {error}", "Mend the line."
        ) from None
    return rows


def read_tree(path: Path) -> Any:
    """The value of a YAML file. Anchors are refused: a few lines of them can stand for a value of any size."""
    text = read_text(path)
    try:
        if "*" in text and any(
            isinstance(t, yaml.AliasToken) for t in yaml.scan(text, Loader=_Loader)
        ):
            raise UsageError(
                f"{path} uses YAML anchors and aliases (&, *)",
                "Write the value out, or quote the star.",
            )
        return yaml.load(text, Loader=_Loader)  # noqa: S506  a safe loader, in C or in Python
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(
            f"{path} is not YAML: {' '.join(str(error).split())}", "Mend the file."
        ) from None
