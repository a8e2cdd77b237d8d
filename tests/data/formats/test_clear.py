"""CLEAR: captions and names on pictures, and TOFU's questions in words alone, about the same people."""

from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import DataError, UsageError
from mlubench.data.formats.clear import CAPTION_QUESTION, NAME_QUESTION
from support.downloads import hub_picture, imported, write_config

NAMES = {"forget10": ["Ada Winter"], "retain90": ["Bo Larsen", "Cem Yilmaz"]}


def on_pictures(name: str, first: int) -> list[dict[str, Any]]:
    return [
        {
            "image": hub_picture(first + n),
            "caption": f"{name} reads book {first + n}.",
            "name": name,
        }
        for n in range(3)
    ]


def in_words(name: str) -> list[dict[str, Any]]:
    return [
        {
            "image": None,
            "caption": None,
            "question": f"Where is {name} in {n}?",
            "answer": f"At {n}.",
        }
        for n in range(20)
    ]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "CLEAR"
    first = 0
    for part, names in NAMES.items():
        shown = []
        told: list[dict[str, Any]] = []
        for name in names:
            shown += on_pictures(name, first)
            told += in_words(name)
            first += 3
        write_config(folder, part, shown)
        with_pictures = [{**row, "question": None, "answer": None} for row in shown]
        write_config(folder, f"{part}+tofu", [*with_pictures, *told])
    return folder


def test_each_picture_is_asked_for_caption_and_name(source: Path) -> None:
    done = imported("clear", source)
    shown = [sample for sample in done.asked("Ada_Winter") if sample.image]
    assert len(shown) == 6
    by_question = {sample.question for sample in shown}
    assert by_question == {CAPTION_QUESTION, NAME_QUESTION}
    named = [sample for sample in shown if sample.question == NAME_QUESTION]
    assert {sample.truth for sample in named} == {"Ada Winter"}
    # One fact on three pictures: one trains, one sets thresholds, one is tested.
    assert {sample.role for sample in named} == {"fit", "calibrate", "test"}


def test_words_alone_are_about_the_same_people(source: Path) -> None:
    done = imported("clear", source)
    told = [sample for sample in done.asked("Cem_Yilmaz") if not sample.image]
    assert len(told) == 20
    assert told[7].question == "Where is Cem Yilmaz in 7?"
    assert done.names("forget") == {"Ada_Winter"}
    assert done.names("retain") == {"Bo_Larsen", "Cem_Yilmaz"}


def test_a_row_without_a_picture_is_named(source: Path) -> None:
    write_config(source, "forget10", [{"image": None, "caption": "x", "name": "Ada Winter"}])
    with pytest.raises(DataError, match="row 0, field image: holds no picture"):
        imported("clear", source)


def test_a_folder_without_a_forget_set_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path / "other", "full", on_pictures("Ada Winter", 0))
    with pytest.raises(UsageError, match="holds no forget set"):
        imported("clear", tmp_path / "other")
