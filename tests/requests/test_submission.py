"""What is sent in is looked at first: each kind of fault is one clear line, and nothing is taken in."""

import json
from pathlib import Path
from shutil import copyfile, copytree

import pytest
from PIL import Image

from mlubench.core.errors import UsageError
from mlubench.requests.submission import Submission, answers_in, entity_of, look_through
from mlubench.types import Entity
from support.requests import ENTITY


@pytest.fixture
def folder(sent: Path, tmp_path: Path) -> Path:
    """Pictures that a test may change."""
    return copytree(sent, tmp_path / "sent")


def looked_through(folder: Path, **more: object) -> Submission:
    return look_through(ENTITY, folder, fewest=4, **more)


def test_a_name_is_an_entity_with_and_without_its_class() -> None:
    assert entity_of("Personage/Jane Doe", None) == Entity("Personage", "Jane_Doe")
    assert entity_of("Jane  Doe", "Personage") == Entity("Personage", "Jane_Doe")
    assert entity_of("Jane Doe", None) == Entity("Other", "Jane_Doe")
    with pytest.raises(UsageError, match="is no entity's name"):
        entity_of("  ", None)


def test_the_same_pictures_are_the_same_request_wherever_they_lie(sent: Path, folder: Path) -> None:
    (folder / "image_0001.jpg").rename(folder / "renamed.jpg")
    assert looked_through(folder).content == looked_through(sent).content
    assert looked_through(folder, aliases=["Nine"]).content != looked_through(sent).content


def test_a_broken_picture_is_named(folder: Path) -> None:
    (folder / "image_0003.jpg").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"picture image_0003.jpg "):
        looked_through(folder)


def test_the_same_picture_compressed_anew_is_named(folder: Path) -> None:
    Image.open(folder / "image_0001.jpg").save(folder / "image_0099.jpg", quality=60)
    with pytest.raises(
        UsageError, match=r"image_0001.jpg and image_0099.jpg show the same picture"
    ):
        looked_through(folder)


def test_too_few_pictures_are_counted(sent: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for name in ("image_0001.jpg", "image_0002.jpg"):
        copyfile(sent / name, few / name)
    with pytest.raises(UsageError, match=r"2 pictures are too few .* Give 4 or more"):
        looked_through(few)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no picture"):
        looked_through(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        looked_through(tmp_path / "nowhere")


def test_answers_come_with_their_wordings(sent: Path, tmp_path: Path) -> None:
    file = tmp_path / "qa.json"
    file.write_text(json.dumps([{"question": "Who?", "answer": "It.", "phrasings": ["Whom?"]}]))
    (answered,) = answers_in(file)
    assert (answered.question, answered.answer, answered.phrasings) == ("Who?", "It.", ("Whom?",))
    assert looked_through(sent, answers=[answered]).answers == (answered,)
    file.write_text("no JSON")
    with pytest.raises(UsageError, match=r"qa.json cannot be read"):
        answers_in(file)
