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
    assert entity_of(" Personage / Jane Doe ", None) == Entity("Personage", "Jane_Doe")
    assert entity_of("Jane Doe", "Personage ") == Entity("Personage", "Jane_Doe")
    # A character that joins letters is part of some names.
    assert entity_of("Other/\u0646\u200c\u0627", None).name == "\u0646\u200c\u0627"


@pytest.mark.parametrize(
    "name",
    ["  ", "///", "...", "Personage/a/b", "a\x1b[31mb", "a\0b", "a\u202eb", "a\udcff", "x" * 201],
)
def test_what_is_no_name_is_said_so_in_one_short_line(name: str) -> None:
    with pytest.raises(UsageError, match="is no entity's name") as refused:
        entity_of(name, None)
    assert len(refused.value.what) < 300
    assert refused.value.what.isprintable()


@pytest.mark.parametrize("cls", ["../..", "Personage/x", "\x1b[0m", "a\u2028b", "y" * 300])
def test_what_is_no_class_is_said_so(cls: str) -> None:
    with pytest.raises(UsageError, match="is no class"):
        entity_of("Jane Doe", cls)


@pytest.mark.parametrize("alias", ["", " ", "--", "J\x07", "z" * 201])
def test_an_alias_is_a_name(folder: Path, alias: str) -> None:
    with pytest.raises(UsageError, match="is no name"):
        looked_through(folder, aliases=["J. Doe", alias])


def test_a_thousand_aliases_are_too_many(folder: Path) -> None:
    with pytest.raises(UsageError, match="1000 aliases are too many"):
        looked_through(folder, aliases=[f"Name {number}" for number in range(1000)])


def test_the_same_pictures_are_the_same_request_wherever_they_lie(sent: Path, folder: Path) -> None:
    (folder / "image_0001.jpg").rename(folder / "renamed.jpg")
    assert looked_through(folder).content == looked_through(sent).content
    assert looked_through(folder, aliases=["Nine"]).content != looked_through(sent).content


def test_a_broken_picture_is_named(folder: Path) -> None:
    (folder / "image_0003.jpg").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"picture image_0003.jpg "):
        looked_through(folder)


@pytest.mark.parametrize("name", ["more.gif", "below/scan.TIFF", "photo.jfif"])
def test_a_picture_of_another_kind_is_not_passed_over(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes((folder / "image_0001.jpg").read_bytes())
    with pytest.raises(UsageError, match=f"picture '{name}' is of a kind that is not read here"):
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"question": "Who?"}', "should be a valid list"),
        ('[{"question": " ", "answer": "It."}]', "0.question"),
        ('[{"question": "Who?", "answer": "\\n"}]', "0.answer"),
    ],
)
def test_a_file_of_answers_that_is_none_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "qa.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=f"qa.json .*{said}.*Give a JSON list"):
        answers_in(file)
