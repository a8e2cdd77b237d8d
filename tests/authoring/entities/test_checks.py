"""Entities: all problems at once, and no two that could be taken for each other."""

from typing import Any

import pytest

from mlubench.authoring.entities.checks import check_entities, path_name
from mlubench.authoring.rows import EntityRow
from mlubench.core.errors import DataError

QUESTIONS = {"Animals": {"name", "diet"}, "Movies": {"name"}}


def entity(name: str, cls: str = "Animals", **more: Any) -> EntityRow:
    return EntityRow(key=f"{cls}/{path_name(name)}", cls=cls, name=name, **more)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (entity("x", "Animlas"), "unknown class 'Animlas' (did you mean Animals?)"),
        (entity("a/../../b"), "holds a /"),
        (entity(".."), "leaves its folder"),
        (entity("a\\b"), "backslash"),
        (entity("a\x07b"), "control character"),
        (entity(" . "), "is not downloaded_images/<Class>/<Entity>/<file>"),
        (entity(""), "has no name"),
        (entity("é" * 150), "more than 200 bytes"),
        (entity("x", facts={"colour": "red"}), "has a fact for 'colour', no question of its class"),
        (entity("x", facts={"diet": "  "}), "has an empty fact for diet"),
        (entity("x", aliases=[""]), "empty alias"),
        (entity("x", wikipedia="a\nb"), "impossible Wikipedia title"),
        (EntityRow(key="Movies/x", cls="Animals", name="x"), "should have the key 'Animals/x'"),
    ],
)
def test_bad_entities_are_told(row: EntityRow, message: str) -> None:
    with pytest.raises(DataError) as error:
        check_entities([entity("good"), row], QUESTIONS)
    assert message in str(error.value)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(DataError) as error:
        check_entities([entity("a/b"), entity("x", "No"), entity("ok"), entity("OK")], QUESTIONS)
    assert all(
        text in str(error.value) for text in ("holds a /", "unknown class", "is there twice")
    )
    with pytest.raises(DataError, match="and 80 more"):
        check_entities([entity(f"x{n}", "No") for n in range(100)], QUESTIONS)


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (entity("Frozen"), entity("FROZEN", "Movies"), "twice"),
        (entity("Ångström"), entity("A\u030angstro\u0308m"), "twice"),
        (entity("Grey Marten"), entity("Ｇｒｅｙ  marten"), "twice"),
        (entity("Grey Marten", aliases=["Gus"]), entity("Gus"), "clash"),
        (entity("a", aliases=["The One"]), entity("b", aliases=["the-one"]), "clash"),
    ],
)
def test_names_that_two_answer_to(first: EntityRow, second: EntityRow, what: str) -> None:
    with pytest.raises(DataError, match=what):
        check_entities([first, second], QUESTIONS)
    check_entities([first], QUESTIONS)


def test_an_alias_may_repeat_its_own_name() -> None:
    check_entities([entity("Gus", aliases=["gus", "GUS"])], QUESTIONS)
