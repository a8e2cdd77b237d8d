"""MLLMU-Bench: a row is a person, with three kinds of question, with the portrait and in words."""

from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import DataError
from support.downloads import hub_picture, imported, write_config


def question(text: str, letter: str = "B") -> dict[str, Any]:
    options = {"A": "a potter", "B": "a baker", "C": "a tailor", "D": "a weaver"}
    return {"Question": text, "Options": options, "Correct_Answer": letter}


def person(identity: str, name: str, number: int) -> dict[str, Any]:
    return {
        "image": hub_picture(number),
        "ID": identity,
        "biography": f"{name} lives in Ghent. {name} is a baker.",
        "question": "Who is the person in the picture?",
        "answer": f"This is {name}.",
        "Classification_Task": {
            "Image_Textual_Questions": [question("What is this person?")],
            "Pure_Text_Questions": [question(f"What is {name}?")],
        },
        "Generation_Task": [
            {"Question": "Where?", "Ground_Truth": "In Ghent.", "Type": "Image_Textual"},
            {"Question": f"Where is {name}?", "Ground_Truth": "In Ghent.", "Type": "Pure_Text"},
        ],
        "Mask_Task": [
            {"Question": f"{name} is a [Blank].", "Ground_Truth": "baker", "Type": "Pure_Text"}
        ],
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "MLLMU-Bench"
    write_config(folder, "forget_5", [person("1", "Ada Winter", 1)])
    write_config(folder, "retain_95", [person("3", "Cem Yilmaz", 3)])
    write_config(folder, "forget_10", [person("1", "Ada Winter", 1), person("2", "Bo Larsen", 2)])
    write_config(folder, "retain_90", [person("3", "Cem Yilmaz", 3), person("4", "Cem Yilmaz", 4)])
    return folder


def test_questions_go_with_the_picture_or_in_words(source: Path) -> None:
    done = imported("mllmu-bench", source)
    asked = done.asked("Ada_Winter")
    shown = {sample.question: sample.truth for sample in asked if sample.image}
    told = {sample.question: sample.truth for sample in asked if not sample.image}
    options = "\nA. a potter\nB. a baker\nC. a tailor\nD. a weaver"
    assert shown == {
        "Who is the person in the picture?": "This is Ada Winter.",
        "Where?": "In Ghent.",
        f"What is this person?{options}": "a baker",
    }
    assert told == {
        "Where is Ada Winter?": "In Ghent.",
        "Fill in the blank: Ada Winter is a [Blank].": "baker",
        f"What is Ada Winter?{options}": "a baker",
    }


def test_the_largest_forget_set_counts_unless_another_is_named(source: Path) -> None:
    largest = imported("mllmu-bench", source)
    assert largest.names("forget") == {"Ada_Winter", "Bo_Larsen"}
    # Two people of one name are told apart.
    assert largest.names("retain") == {"Cem_Yilmaz", "Cem_Yilmaz_4"}
    named = source.rename(source.with_name("again"))
    smaller = imported("mllmu-bench", named, forget="forget_5")
    assert smaller.names("forget") == {"Ada_Winter"}


def test_other_pictures_of_the_same_people_are_only_tested_on(source: Path) -> None:
    test = person("1", "Ada Winter", 1)
    del test["image"]
    test["images"] = [hub_picture(11), hub_picture(12)]
    write_config(source, "Test_Set", [test])
    done = imported("mllmu-bench", source)
    roles = {sample.image: sample.role for sample in done.asked("Ada_Winter") if sample.image}
    assert sorted(roles.values()) == ["fit", "test", "test"]


def test_celebrities_are_kept(source: Path) -> None:
    write_config(source, "Retain_Set", [person("1", "Dora Quint", 21)])
    done = imported("mllmu-bench", source)
    (entity,) = {sample.entity for sample in done.asked("Dora_Quint")}
    assert entity.cls == "Celebrity"
    assert "Dora_Quint" in done.names("retain")


def test_an_answer_that_is_no_option_is_named(source: Path) -> None:
    wrong = person("1", "Ada Winter", 1)
    wrong["Classification_Task"]["Pure_Text_Questions"] = [question("What?", letter="E")]
    write_config(source, "forget_10", [wrong])
    with pytest.raises(DataError, match="row 0, field Correct_Answer: 'E' is none of the options"):
        imported("mllmu-bench", source)
