"""JSON-lines files that survive a kill: a last line cut short is left out, any other broken line is an error."""

import json
from pathlib import Path
from typing import Any

from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_atomic


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file. A last line cut short by a kill is left out; any other broken line is an error."""
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except ValueError:
            if number == len(lines):  # no newline after it: it was being written
                break
            raise MlubenchError(
                f"{path}, line {number} is broken", "Delete the file and run again."
            ) from None
    return rows


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    write_atomic(path, _lines(rows))


def append_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add lines to a file that a kill may leave with its last line cut short."""
    with path.open("a") as handle:
        handle.write(_lines(rows))


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
