"""LLaVA-Instruct: conversations with several turns, with a picture or in words alone."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import DataError
from support.downloads import imported, picture


def turns(*texts: str) -> list[dict[str, str]]:
    speakers = ("human", "gpt")
    return [{"from": speakers[n % 2], "value": text} for n, text in enumerate(texts)]


RECORDS: list[dict[str, Any]] = [
    {
        "id": "000000033471",
        "image": "coco/train2017/000000033471.jpg",
        "conversations": turns(
            "<image>\nWhat colour is the bus?", "Red.", "What is on its back?", "An advertisement."
        ),
    },
    {"id": "chat_1", "conversations": turns("What is two and two?", "Four.")},
    {
        "id": 7,
        "image": base64.b64encode(picture(1)).decode(),
        "conversations": turns("What is this?\n<image>", "A pattern."),
    },
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shown = tmp_path / "pictures" / "coco" / "train2017" / "000000033471.jpg"
    shown.parent.mkdir(parents=True)
    shown.write_bytes(picture(0, "jpeg"))
    path = tmp_path / "llava.json"
    path.write_text(json.dumps(RECORDS))
    return path


def test_each_turn_is_a_question(source: Path) -> None:
    done = imported("llava-instruct", source, images=source.parent / "pictures")
    asked = {sample.question: sample.truth for sample in done.benchmark.samples}
    assert asked == {
        "What colour is the bus?": "Red.",
        "What is on its back?": "An advertisement.",
        "What is two and two?": "Four.",
        "What is this?": "A pattern.",
    }
    (told,) = [sample for sample in done.benchmark.samples if not sample.image]
    assert told.entity.key == "Text/chat_1"
    (about_folder,) = {s.entity.key for s in done.asked("train2017")}
    assert about_folder == "coco/train2017"
    assert done.facts["lost"]["what was said before a question, of conversations with several"] == 1


def test_a_turn_out_of_order_is_named(source: Path) -> None:
    record = {"id": "x", "conversations": list(reversed(turns("What?", "That.")))}
    source.write_text(json.dumps([RECORDS[1], record]))
    with pytest.raises(DataError, match="row 1, field conversations: a turn is from 'gpt' where"):
        imported("llava-instruct", source)


def test_a_path_that_leaves_the_folder_is_refused(source: Path) -> None:
    source.write_text(json.dumps([{**RECORDS[0], "image": "../secret.jpg"}]))
    with pytest.raises(
        DataError, match=r"row 0, field image: '\.\./secret\.jpg' leaves the folder"
    ):
        imported("llava-instruct", source)
