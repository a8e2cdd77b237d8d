"""The lines of a run's answers and verdicts, as typed rows: the one place that reads and writes them."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from mlubench.core.errors import MlubenchError
from mlubench.core.lines import append_lines, read_lines, write_lines
from mlubench.types import AnswerRow, VerdictRow

Row = TypeVar("Row")
_ANSWER = TypeAdapter(AnswerRow)
_VERDICT = TypeAdapter(VerdictRow)


def read_answers(path: Path) -> list[AnswerRow]:
    """The answers of a file; none where there is no file. MlubenchError names the line that is no answer."""
    return _read(path, parse_answer)


def write_answers(path: Path, rows: Iterable[AnswerRow]) -> None:
    write_lines(path, [_answer_line(row) for row in rows])


def append_answers(path: Path, rows: Iterable[AnswerRow]) -> None:
    """Add answers to a file that a kill may leave with its last line cut short."""
    append_lines(path, [_answer_line(row) for row in rows])


def read_verdicts(path: Path) -> list[VerdictRow]:
    """The verdicts of a file; none where there is no file. MlubenchError names the line that is no verdict."""
    return _read(path, _VERDICT.validate_python)


def write_verdicts(path: Path, rows: Iterable[VerdictRow]) -> None:
    write_lines(path, [_verdict_line(row) for row in rows])


def parse_answer(line: object) -> AnswerRow:
    """An answer from the JSON of its line. Keys that this version does not know are ignored.

    Raises pydantic's ValidationError, which is a ValueError, where the line has another shape.
    """
    if isinstance(line, dict):
        line = {**line, "probability_measured": "truth_probability" in line}
    return _ANSWER.validate_python(line)


def _read(path: Path, parse: Callable[[object], Row]) -> list[Row]:
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            rows.append(parse(line))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "the line"
            raise MlubenchError(
                f"{path}, line {number}: {key}: {first['msg']}, got {first['input']!r:.80}",
                "Delete the file and run again.",
            ) from None
    return rows


def _answer_line(row: AnswerRow) -> dict[str, Any]:
    line = asdict(row)
    del line["probability_measured"]
    if not row.picture_kind:
        del line["picture_kind"]
    if not row.probability_measured:
        del line["truth_probability"]
    return line


def _verdict_line(row: VerdictRow) -> dict[str, Any]:
    line = asdict(row)
    if not row.facts:
        del line["facts"]
    return line
