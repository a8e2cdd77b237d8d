"""FIUBench: a row is a face with private facts, and split.json says who is to be forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import DataError, UsageError
from support.downloads import imported, picture

NAMES = ["Ada Winter", "Bo Larsen", "Cem Yilmaz", "Ada Winter"]


def person(number: int) -> dict[str, Any]:
    return {
        "image_path": f"dataset/images/{number}.png",
        "unique_id": f"00{number}",
        "name": NAMES[number],
        "gender": "female",
        "qa_list": [
            {
                "question": "What is the income of this person?",
                "answer": f"It is {number},000 euros.",
                "paraphrased_question": ["How much does this person earn?"],
                "paraphrased_answer": "That much.",
                "perturbed_answer": ["It is 1 euro."],
                "keywords": [f"{number},000"],
            }
        ],
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "FIUBench"
    (folder / "images").mkdir(parents=True)
    for number in range(4):
        (folder / "images" / f"{number}.png").write_bytes(picture(number))
    (folder / "FIUBench.json").write_text(json.dumps([person(n) for n in range(4)]))
    (folder / "prompt.json").write_text(json.dumps({"idk": ["I do not know."]}))
    (folder / "split.json").write_text(json.dumps({"forget1": ["001"], "forget5": ["001", "002"]}))
    return folder


def test_people_are_told_apart_by_id_and_asked_in_all_wordings(source: Path) -> None:
    done = imported("fiubench", source)
    assert done.names("forget") == {"Bo_Larsen", "Cem_Yilmaz"}
    assert done.names("retain") == {"Ada_Winter", "Ada_Winter_003"}
    asked = done.asked("Cem_Yilmaz")
    assert {(sample.question, sample.truth) for sample in asked} == {
        ("What is the income of this person?", "It is 2,000 euros."),
        ("How much does this person earn?", "It is 2,000 euros."),
    }
    assert len({sample.fact for sample in asked}) == 1
    image = done.benchmark.picture(asked[0])
    assert image is not None
    assert image.read_bytes() == picture(2)


def test_one_picture_each_holds_nothing_out_and_that_is_told(source: Path) -> None:
    done = imported("fiubench", source)
    assert any("nothing could be held out" in line for line in done.facts["assumed"])


def test_another_forget_set_can_be_named(source: Path) -> None:
    assert imported("fiubench", source, forget="forget1").names("forget") == {"Bo_Larsen"}


def test_without_split_json_the_seed_draws(source: Path) -> None:
    (source / "split.json").unlink()
    done = imported("fiubench", source, forget_per_task=1, retain_per_task=2)
    assert len(done.names("forget")) == 1
    assert len(done.names("retain")) == 2
    # Pictures of those who are in no task are not kept.
    assert len(list((done.root / "downloaded_images").rglob("*.png"))) == 3


def test_a_picture_that_is_not_there_is_named(source: Path) -> None:
    (source / "images" / "2.png").unlink()
    with pytest.raises(DataError, match=r"row 2, field image_path: 'dataset/images/2\.png' is not"):
        imported("fiubench", source)


def test_a_file_without_people_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('[{"question": "?"}]')
    with pytest.raises(UsageError, match="has rows with qa_list"):
        imported("fiubench", tmp_path / "other.json")
