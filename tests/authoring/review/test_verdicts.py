"""What people said: the log, its last words, and what is left to build from."""

from pathlib import Path

import pytest

from mlubench.authoring.review import verdicts
from mlubench.authoring.review.verdicts import LOG, ReviewRow
from mlubench.authoring.rows import ItemRow
from mlubench.core import lines
from mlubench.core.errors import DataError
from support.small_build import small_items

WHEN = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def items(tmp_path: Path) -> list[ItemRow]:
    return small_items(tmp_path)


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


def test_a_hundred_thousand_words_are_read_and_applied(
    tmp_path: Path, items: list[ItemRow]
) -> None:
    many = [items[0].model_copy(update={"id": f"{n:016}"}) for n in range(100_000)]
    verdicts.append_to_log(tmp_path / LOG, [said(item, "rejected") for item in many])
    reviewed = verdicts.apply_verdicts(many, verdicts.read_log(tmp_path / LOG))
    assert verdicts.usable_items(reviewed, required=True) == []
