"""Items as CSV, out and in again: what a person changed there, all of it or nothing."""

import csv
from pathlib import Path

import pytest

from mlubench.authoring.review import spreadsheet
from mlubench.authoring.rows import ItemRow
from mlubench.core.errors import DataError
from support.small_build import small_items

WHEN = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def items(tmp_path: Path) -> list[ItemRow]:
    return small_items(tmp_path)


def test_csv_there_and_back_says_nothing_new(tmp_path: Path, items: list[ItemRow]) -> None:
    texts = ["=1+1", "'quoted'", 'a, "b"\nc', "-5 °C", "好"]
    tricky = [i.model_copy(update={"answer": a}) for i, a in zip(items[:5], texts, strict=True)]
    spreadsheet.write_csv(tmp_path / "out.csv", tricky)
    assert spreadsheet.read_csv(tmp_path / "out.csv", tricky, who="Bo", when=WHEN) == []
    cells = [
        row["answer"] for row in csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8-sig"))
    ]
    assert cells[0] == "'=1+1"  # no spreadsheet computes it


def test_csv_brings_what_a_person_changed(tmp_path: Path, items: list[ItemRow]) -> None:
    path = tmp_path / "out.csv"
    spreadsheet.write_csv(path, items)
    rows = list(csv.DictReader(path.open(encoding="utf-8-sig")))
    rows[0]["verdict"] = "accepted"
    rows[1]["answer"] = "Quite another."
    rows[2]["verdict"] = "REJECTED"
    rows[2]["who"] = "Cy"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, spreadsheet.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    found = spreadsheet.read_csv(path, items, who="Bo", when=WHEN)
    assert [(f.id, f.verdict, f.who) for f in found] == [
        (items[0].id, "accepted", "Bo"),
        (items[1].id, "edited", "Bo"),
        (items[2].id, "rejected", "Cy"),
    ]
    assert found[1].answer == "Quite another."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,answer\nx,y\n", "lacks the column verdict"),
        ("id,answer,verdict\nnobody,y,accepted\n", "line 2: no item 'nobody'"),
        ("id,answer,verdict\n{id},y,perhaps\n", "line 2: verdict 'perhaps'"),
        ("id,answer,verdict\n{id},,accepted\n", "line 2: the answer is empty"),
        ('id,answer,verdict\n{id},"open,accepted\n', "cannot be read as CSV"),
    ],
)
def test_a_broken_csv_is_refused_whole(
    tmp_path: Path, items: list[ItemRow], text: str, told: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(text.format(id=items[0].id), encoding="utf-8")
    with pytest.raises(DataError, match=told):
        spreadsheet.read_csv(path, items, who="Bo", when=WHEN)


def test_a_csv_that_is_not_utf8_or_not_there(tmp_path: Path, items: list[ItemRow]) -> None:
    (tmp_path / "latin.csv").write_bytes("id,answer,verdict\né".encode("latin-1"))
    for name, told in (("latin.csv", "cannot be read"), ("none.csv", "does not exist")):
        with pytest.raises(DataError, match=told):
            spreadsheet.read_csv(tmp_path / name, items, who="Bo", when=WHEN)
