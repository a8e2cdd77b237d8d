"""Rows come one after another whatever the file, and an error says which row it is."""

import json
from pathlib import Path

import pytest

from mlubench.core.errors import DataError
from mlubench.data.formats import rows as reading
from mlubench.data.formats.rows import rows_of
from support.downloads import write_lines, write_parquet

VALUES = [{"n": number, "text": "ü" * number} for number in range(7)]


@pytest.mark.parametrize("form", ["list", "lines", "indented", "parquet"])
def test_every_form_gives_the_same_rows(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So small that values lie across the border of what is read at once.
    monkeypatch.setattr(reading, "_CHUNK", 5)
    path = tmp_path / ("rows.parquet" if form == "parquet" else "rows.json")
    if form == "parquet":
        write_parquet(path, VALUES)
    elif form == "lines":
        write_lines(path, VALUES)
    else:
        indent = 2 if form == "indented" else None
        path.write_text(json.dumps(VALUES, ensure_ascii=False, indent=indent), encoding="utf-8")
    found = list(rows_of(path))
    assert [row.values for row in found] == VALUES
    assert [row.place.row for row in found] == list(range(7))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"n": 0}, {"n": 1', "row 1 is no JSON"),
        ('[{"n": 0}', "ends after row 0, before its list does"),
        ('{"n": 0}\n{"n": }\n', "row 1 is no JSON"),
        ('[{"n": 0}, 5]', "row 1 is int, not an object"),
        ("version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer"),
    ],
)
def test_a_broken_file_is_named_with_its_row(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        list(rows_of(path))


def test_broken_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"rows\.parquet cannot be read at row 0"):
        list(rows_of(path))


def test_json_texts_in_a_field_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_lines(path, [{"qa": json.dumps([{"q": "Who?"}]), "wrong": "[", "number": 5}])
    (row,) = rows_of(path)
    assert [one.text("q") for one in row.parts("qa")] == ["Who?"]
    assert row.text("number") == "5"
    with pytest.raises(DataError, match="row 0, field wrong: is no JSON"):
        row.parts("wrong")
