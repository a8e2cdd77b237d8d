"""Line files that a kill has cut."""

from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.core.lines import append_lines, mend, parse_lines, read_lines, write_lines


def test_every_cut_of_the_last_line_leaves_the_lines_before_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_lines(path, [{"n": 1}, {"n": "zwölf"}])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        complete = whole[:end].endswith(b"}") and end == len(whole) - 1
        assert read_lines(path) == [{"n": 1}, {"n": "zwölf"}][: 2 if complete else 1]
        mend(path)
        append_lines(path, [{"n": 3}])
        assert read_lines(path) == [{"n": 1}, {"n": 3}]


def test_a_broken_line_in_the_middle_is_an_error_or_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n{"n": \n{"n": 3}\n')
    with pytest.raises(MlubenchError, match="line 2 is broken"):
        read_lines(path)
    assert parse_lines(path, str, broken="skip") == ["{'n': 1}", "{'n': 3}"]


def test_what_is_whole_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    mend(path)
    assert not path.exists()
    assert read_lines(path) == []
    write_lines(path, [{"n": 1}])
    before = path.stat().st_ino
    mend(path)
    assert path.stat().st_ino == before
