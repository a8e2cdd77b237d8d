"""Questions: five phrasings that mean the same, none that names what the picture shows, and classes of one's own."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlubench.authoring.runner import run_stages
from mlubench.authoring.stages import entities, questions
from mlubench.core.errors import DataError, UsageError
from support.builds import context, rows


def make(ctx: Any) -> list[dict[str, Any]]:
    run_stages([entities.STAGE, questions.STAGE], ctx)
    return rows(ctx.root / "questions.jsonl")


def test_only_classes_with_entities_are_asked(tmp_path: Path) -> None:
    assert {row["cls"] for row in make(context(tmp_path / "b"))} == {
        "Personage",
        "Animals",
        "Buildings",
    }


BIRDS = {
    "Birds": {
        "subject": ["bird"],
        "questions": {
            "song": {
                "asks": ["sing", "song"],
                "phrasings": [f"What {n} song does this bird sing?" for n in "abcde"],
            }
        },
    }
}


def test_a_class_of_ones_own_by_file(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(yaml.safe_dump(BIRDS))
    ctx = context(tmp_path / "b", questions="q.yaml", entities=[{"name": "Olm", "class": "Birds"}])
    assert [row["id"] for row in make(ctx)] == ["song"]


@pytest.mark.parametrize(
    "text", ["Birds: {subject: [bird]}", "Birds: []", "a", "Birds: {subject: [], questions: {}}"]
)
def test_a_wrong_file_is_wrong_use(tmp_path: Path, text: str) -> None:
    (tmp_path / "q.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"q\.yaml"):
        make(context(tmp_path / "b", questions="q.yaml"))


def test_a_mended_question_is_checked_where_it_is_used(tmp_path: Path) -> None:
    ctx = context(tmp_path / "b")
    make(ctx)
    path = ctx.root / "questions.jsonl"
    path.write_text(
        path.read_text().replace(
            "What does this animal eat?", "What does the Grey Marten animal eat?"
        )
    )
    with pytest.raises(DataError, match="names 'Animals/Grey_Marten'"):
        questions.load_questions(ctx, entities.load_entities(ctx))
