"""The lines of a run's answers and verdicts, as typed rows: the one place that reads and writes them."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mlubench.core.lines import append_lines, parse_lines, write_lines
from mlubench.types import AnswerRow, VerdictRow

_ANSWER = TypeAdapter(AnswerRow)
_VERDICT = TypeAdapter(VerdictRow)


def read_answers(path: Path) -> list[AnswerRow]:
    """The answers of a file; none where there is no file. MlubenchError names the line that is no answer."""
    return parse_lines(path, parse_answer)


def write_answers(path: Path, rows: Iterable[AnswerRow]) -> None:
    write_lines(path, [_answer_line(row) for row in rows])


def append_answers(path: Path, rows: Iterable[AnswerRow]) -> None:
    """Add answers to a file that a kill may leave with its last line cut short."""
    append_lines(path, [_answer_line(row) for row in rows])


def read_verdicts(path: Path) -> list[VerdictRow]:
    """The verdicts of a file; none where there is no file. MlubenchError names the line that is no verdict."""
    return parse_lines(path, _VERDICT.validate_python)


def write_verdicts(path: Path, rows: Iterable[VerdictRow]) -> None:
    write_lines(path, [_verdict_line(row) for row in rows])


def parse_answer(line: object) -> AnswerRow:
    """An answer from the JSON of its line. Keys that this version does not know are ignored.

    Raises pydantic's ValidationError, which is a ValueError, where the line has another shape.
    """
    if isinstance(line, dict):
        line = {**line, "probability_measured": "truth_probability" in line}
    return _ANSWER.validate_python(line)


def _answer_line(row: AnswerRow) -> dict[str, Any]:
    line = asdict(row)
    del line["probability_measured"]
    if not row.picture_kind:
        del line["picture_kind"]
    if row.second_look is None:
        del line["second_look"]
    if row.route is not None and not row.route.suspects:
        del line["route"]["suspects"]
    if not row.probability_measured:
        del line["truth_probability"]
    return line


def _verdict_line(row: VerdictRow) -> dict[str, Any]:
    line = asdict(row)
    if not row.facts:
        del line["facts"]
    return line
