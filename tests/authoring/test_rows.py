"""Rows are what people mend: broken ones are named by line, and what is right reads back as it was."""

import json
from pathlib import Path

import pytest

from mlubench.authoring.rows import EntityRow, ItemRow, QuestionRow, read_rows, write_rows
from mlubench.core.errors import DataError
from support.growth import growth


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [
        EntityRow(key="A/Zoë", cls="A", name="Zoë", aliases=["月"]),
        EntityRow(key="A/b", cls="A", name="b"),
    ]
    write_rows(tmp_path / "e.jsonl", rows)
    assert read_rows(tmp_path / "e.jsonl", EntityRow) == rows
    first = (tmp_path / "e.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert "Zoë" in first and "月" in first
    assert list(json.loads(first)) == sorted(json.loads(first))


def test_an_editor_may_leave_a_mark_and_empty_lines(tmp_path: Path) -> None:
    line = '{"key": "A/b", "cls": "A", "name": "b"}'
    (tmp_path / "e.jsonl").write_bytes(b"\xef\xbb\xbf" + f"{line}\r\n\r\n".encode())
    assert [row.key for row in read_rows(tmp_path / "e.jsonl", EntityRow)] == ["A/b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"key": "A/b", "cls": "A"}', "line 2: name: Field required"),
        (b'{"key": "A/b", "cls": "A", "name": "b", "nmae": "b"}', "line 2: nmae: Extra inputs"),
        (b'{"key": "A/a", "cls": "A", "name": "a"}', "line 2 says again what line 1 says of A/a"),
        (b'{"key": "A/b", ', "line 2 is no JSON"),
        (b"\xff\xfe", "line 2 is no JSON"),
        (b"[" * 100_000, "line 2 is no JSON"),
        (b'{"key": "' + b"x" * 2**20 + b'"}', "line 2 has 1048"),
        (b'{"key": "\\ud800", "cls": "A", "name": "b"}', "line 2: key"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "e.jsonl").write_bytes(b'{"key": "A/a", "cls": "A", "name": "a"}\n' + text)
    with pytest.raises(DataError) as error:
        read_rows(tmp_path / "e.jsonl", EntityRow)
    assert message in str(error.value)


def test_five_phrasings_no_more_no_less() -> None:
    with pytest.raises(ValueError, match="phrasings"):
        QuestionRow(id="a", cls="A", phrasings=["one"] * 4)


def test_the_time_for_many_rows_grows_with_their_number(tmp_path: Path) -> None:
    one = {
        "picture": "p",
        "entity": "A/a",
        "question": "q",
        "phrasing": 0,
        "text": "t",
        "answer": "a",
    }

    def work(count: int) -> None:
        lines = [json.dumps({"id": str(n), **one}) + "\n" for n in range(count)]
        (tmp_path / "i.jsonl").write_text("".join(lines))
        assert len(read_rows(tmp_path / "i.jsonl", ItemRow)) == count

    assert growth(work, 5000, 8) < 24
