"""Tests of what people said: the log, and CSV out and in."""

import csv
from pathlib import Path

import pytest

from mlubench.authoring.review import spreadsheet, verdicts
from mlubench.authoring.review.verdicts import LOG, ReviewRow
from mlubench.authoring.rows import ItemRow, PictureRow, QuestionRow, TruthRow, read_rows
from mlubench.authoring.stages.items import make_items
from mlubench.core import lines
from mlubench.core.errors import DataError
from support.small_build import small_context

WHEN = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def items(tmp_path: Path) -> list[ItemRow]:
    small_context(tmp_path, entities=2, pictures=1)
    return make_items(
        read_rows(tmp_path / "pictures.jsonl", PictureRow),
        read_rows(tmp_path / "questions.jsonl", QuestionRow),
        read_rows(tmp_path / "answers.jsonl", TruthRow),
    )


def said(item: ItemRow, verdict: str, answer: str = "") -> ReviewRow:
    return ReviewRow.model_validate(
        {"id": item.id, "verdict": verdict, "answer": answer, "who": "Ann", "when": WHEN}
    )


def test_the_last_word_counts(tmp_path: Path, items: list[ItemRow]) -> None:
    log = tmp_path / LOG
    assert verdicts.read_log(log) == {}
    verdicts.append_to_log(log, [said(items[0], "rejected"), said(items[1], "edited", "Better.")])
    verdicts.append_to_log(
        log, [said(items[0], "accepted"), said(items[2], "accepted"), said(items[2], "pending")]
    )
    first, second, third = verdicts.apply_verdicts(items, verdicts.read_log(log))[:3]
    assert (first.verdict, first.who, first.when, first.answer) == (
        "accepted",
        "Ann",
        WHEN,
        items[0].answer,
    )
    assert (second.verdict, second.answer) == ("edited", "Better.")
    assert third == items[2]


def test_words_on_what_is_no_longer_there_count_for_nothing(items: list[ItemRow]) -> None:
    gone = {"0" * 16: said(items[0].model_copy(update={"id": "0" * 16}), "rejected")}
    assert verdicts.apply_verdicts(items, gone) == items


def test_what_is_usable(items: list[ItemRow]) -> None:
    looked_at = verdicts.apply_verdicts(
        items, {i.id: said(i, "rejected" if n else "accepted") for n, i in enumerate(items)}
    )
    assert [i.id for i in verdicts.usable_items(looked_at, required=True)] == [items[0].id]
    assert verdicts.usable_items(items, required=False) == items
    with pytest.raises(DataError, match="20 of 20 items wait for a person"):
        verdicts.usable_items(items, required=True)


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
    rows[0]["verdict"], rows[1]["answer"], rows[2]["verdict"] = (
        "accepted",
        "Quite another.",
        "REJECTED",
    )
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


def test_a_line_that_a_kill_cut_short_is_taken_off(tmp_path: Path, items: list[ItemRow]) -> None:
    log = tmp_path / LOG
    verdicts.append_to_log(log, [said(items[0], "accepted"), said(items[1], "accepted")])
    whole = log.read_bytes()
    log.write_bytes(whole[:-9])
    lines.mend(log)
    verdicts.append_to_log(log, [said(items[2], "rejected")])
    assert set(verdicts.read_log(log)) == {items[0].id, items[2].id}
    log.write_bytes(b"{}\n" + whole)
    lines.mend(log)
    with pytest.raises(DataError, match="line 1: id"):  # any other broken line is an error
        verdicts.read_log(log)


def test_a_hundred_thousand_words_are_read_and_applied_quickly(
    tmp_path: Path, items: list[ItemRow]
) -> None:
    many = [items[0].model_copy(update={"id": f"{n:016}"}) for n in range(100_000)]
    verdicts.append_to_log(tmp_path / LOG, [said(i, "rejected") for i in many])
    assert (
        verdicts.usable_items(
            verdicts.apply_verdicts(many, verdicts.read_log(tmp_path / LOG)), required=True
        )
        == []
    )
