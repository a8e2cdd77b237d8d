"""JSON-lines files that survive a kill: the last line may be cut short, and everything before it still counts.

A file that grows line by line can only be broken at its end. `read_lines` therefore leaves a cut last line out, and `mend`
takes it off before more lines are added. Any other broken line means that somebody changed the file.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from mlubench.core.errors import MlubenchError
from mlubench.core.files import naming, write_atomic
from mlubench.core.reading import first_misfit, json_value

T = TypeVar("T")
_OBJECT = TypeAdapter(dict[str, Any])


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file as they stand there; none where there is no file."""
    return parse_lines(path, _as_object)


def parse_lines(
    path: Path, parse: Callable[[object], T], *, broken: Literal["error", "skip"] = "error"
) -> list[T]:
    """What `parse` makes of each line's JSON; nothing where there is no file.

    A last line that was being written is left out. `broken` says what becomes of any other line that is no JSON, or of
    which `parse` raises pydantic's ValidationError: "error" raises MlubenchError with its number, "skip" leaves it out
    as well (of a cache, which can be asked again).
    """
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json_value(line)
        except ValueError as error:
            # After the last newline there is a piece that was being written when the process was killed.
            is_cut = number == len(lines)
            if is_cut or broken == "skip":
                continue
            raise _wrong(path, f"line {number} is broken: {error}") from None
        try:
            rows.append(parse(value))
        except ValidationError as error:
            if broken == "error":
                raise _wrong(path, f"line {number}: {first_misfit(error)}") from None
    return rows


def _as_object(line: object) -> dict[str, Any]:
    return _OBJECT.validate_python(line)


def _wrong(path: Path, problem: str) -> MlubenchError:
    return MlubenchError(f"{path}, {problem}", "Delete the file and run again.")


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """The whole file in one step."""
    write_atomic(path, _as_text(rows))


def append_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Add lines to a file that a kill may leave with its last line cut short. `mend` it before the first call."""
    with naming(path), path.open("a", encoding="utf-8") as handle:
        handle.write(_as_text(rows))


def mend(path: Path) -> None:
    """Take off a last line without its newline: the next line would run into it, and both would be lost."""
    data = path.read_bytes() if path.is_file() else b""
    if data and not data.endswith(b"\n"):
        end_of_last_whole_line = data.rfind(b"\n") + 1
        write_atomic(path, data[:end_of_last_whole_line])


def _as_text(rows: Iterable[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
