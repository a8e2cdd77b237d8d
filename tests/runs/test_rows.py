"""Lines of answers and verdicts: what is written, and that a line of another shape is named."""

from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.core.lines import read_lines, write_lines
from mlubench.runs.rows import read_answers, read_verdicts, write_answers, write_verdicts
from mlubench.types import Route, VerdictRow
from support.rows import answer_row

ROUTE = Route(("A",), "Animals/Dog", 0.5, "nearest", failed=True)
KEYS = [
    "id",
    "split",
    "task",
    "image",
    "entity",
    "question",
    "truth",
    "response",
    "fact",
    "phrasing",
    "route",
]


def test_an_answer_comes_back_and_its_line_has_the_keys_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "A-UB.jsonl"
    rows = [answer_row(), answer_row(id="s1", route=ROUTE, response="Ja, 犬\nund\u2028so")]
    write_answers(path, rows)
    assert read_answers(path) == rows
    first, second = read_lines(path)
    assert list(first) == list(second) == KEYS
    assert first["route"] is None
    assert list(second["route"]) == ["experts", "entity", "score", "why", "failed", "refused"]


def test_a_probability_is_there_only_where_it_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "A-UB.jsonl"
    rows = [
        answer_row(truth_probability=0.25, probability_measured=True),
        answer_row(id="s1", truth_probability=None, probability_measured=True),
        answer_row(id="s2"),
    ]
    write_answers(path, rows)
    assert read_answers(path) == rows
    lines = read_lines(path)
    assert [line.get("truth_probability", "no key") for line in lines] == [0.25, None, "no key"]
    assert list(lines[0]) == [*KEYS, "truth_probability"]


def test_keys_of_newer_lines_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "A-UB.jsonl"
    write_answers(path, [answer_row()])
    (line,) = read_lines(path)
    write_lines(path, [{**line, "tokens": 12}])
    assert read_answers(path) == [answer_row()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"response": None}, "response: Input should be a valid string, got null"),
        ({"split": "test"}, "split: Input should be 'forget' or 'retain', got 'test'"),
        ({"phrasing": "first"}, "phrasing: .*got 'first'"),
        ({"route": {"experts": "A"}}, "route.experts: "),
    ],
)
def test_a_line_that_is_no_answer_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "A-UB.jsonl"
    write_answers(path, [answer_row()])
    (line,) = read_lines(path)
    write_lines(path, [line, {**line, **change}])
    with pytest.raises(MlubenchError, match=rf"A-UB\.jsonl, line 2: {message}") as error:
        read_answers(path)
    assert "\n" not in str(error.value)


def test_verdicts_come_back_and_facts_are_there_only_where_a_model_judged(tmp_path: Path) -> None:
    path = tmp_path / "A-UB.jsonl"
    rows = [
        VerdictRow("s0", "utility", 2, "so"),
        VerdictRow("s1", "forget_quality", None, "no reply", {"model": "m"}),
    ]
    write_verdicts(path, rows)
    assert read_verdicts(path) == rows
    assert [list(line) for line in read_lines(path)] == [
        ["id", "metric", "score", "why"],
        ["id", "metric", "score", "why", "facts"],
    ]


def test_a_score_that_is_none_of_the_rubric_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "A-UB.jsonl"
    write_lines(path, [{"id": "s0", "metric": "utility", "score": 3, "why": "so"}])
    with pytest.raises(MlubenchError, match=r"A-UB\.jsonl, line 1: score: .*got 3"):
        read_verdicts(path)
