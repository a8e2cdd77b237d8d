"""Tests of a build's items."""

from pathlib import Path

from mlubench.authoring.rows import PictureRow, QuestionRow, TruthRow, read_rows
from mlubench.authoring.stages.items import make_items
from support.small_build import small_context


def rows(root: Path) -> tuple[list[PictureRow], list[QuestionRow], list[TruthRow]]:
    small_context(root, entities=3, pictures=2)
    return (
        read_rows(root / "pictures.jsonl", PictureRow),
        read_rows(root / "questions.jsonl", QuestionRow),
        read_rows(root / "answers.jsonl", TruthRow),
    )


def test_every_picture_with_every_phrasing_of_every_answered_question(tmp_path: Path) -> None:
    pictures, questions, answers = rows(tmp_path)
    items = make_items(pictures, questions, answers)
    assert len(items) == 3 * 2 * 2 * 5
    assert len({i.id for i in items}) == len(items)
    assert {i.verdict for i in items} == {"pending"}
    assert items == make_items(pictures[::-1], questions[::-1], answers[::-1])


def test_dropped_pictures_and_unanswered_questions_make_no_item(tmp_path: Path) -> None:
    pictures, questions, answers = rows(tmp_path)
    gone = pictures[0].model_copy(update={"kept": False})
    items = make_items([gone, *pictures[1:]], questions, answers[1:])
    assert gone.file not in {i.picture for i in items}
    assert (answers[0].entity, answers[0].question) not in {(i.entity, i.question) for i in items}


def test_what_a_person_was_shown_is_in_the_id(tmp_path: Path) -> None:
    pictures, questions, answers = rows(tmp_path)
    before = {i.id for i in make_items(pictures, questions, answers)}
    repainted = [pictures[0].model_copy(update={"sha256": "0" * 64}), *pictures[1:]]
    corrected = [answers[0].model_copy(update={"answer": "Another."}), *answers[1:]]
    assert len(before - {i.id for i in make_items(repainted, questions, answers)}) == 10
    assert len(before - {i.id for i in make_items(pictures, questions, corrected)}) == 10
