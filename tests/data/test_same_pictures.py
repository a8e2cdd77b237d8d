"""One picture is known again however it was saved, and two pictures of one thing are two."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from mlubench.core.errors import DataError
from mlubench.data import release
from mlubench.data.render import render
from mlubench.data.same_pictures import (
    equal_files,
    look_at_all,
    require_distinct,
    same_pictures,
    shown_among,
)


def drawn(number: int, name: str = "Animals/Marten") -> Image.Image:
    return render(name, f"{number}.jpg", size=96)


def saved(picture: Image.Image, kind: str = "JPEG", quality: int = 92) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality)
    return buffer.getvalue()


def scaled(side: int) -> Callable[[Image.Image], bytes]:
    return lambda picture: saved(picture.resize((side, side), Image.Resampling.LANCZOS), quality=85)


def groups(root: Path) -> list[list[str]]:
    return same_pictures(look_at_all(root, sorted(path.name for path in root.iterdir())))


@pytest.mark.parametrize(
    "again",
    [
        saved,
        lambda picture: saved(picture, quality=40),
        lambda picture: saved(picture, "PNG"),
        scaled(72),
        scaled(480),
        lambda picture: saved(ImageEnhance.Brightness(picture).enhance(1.02)),
    ],
)
def test_a_picture_saved_anew_is_the_same(
    tmp_path: Path, again: Callable[[Image.Image], bytes]
) -> None:
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(saved(drawn(number)))
    (tmp_path / "again.jpg").write_bytes(again(drawn(2)))
    assert groups(tmp_path) == [["2.jpg", "again.jpg"]]


def test_copies_and_links_are_the_same_also_without_contrast(tmp_path: Path) -> None:
    black = saved(Image.new("RGB", (40, 40)))
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(black)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "nearly.jpg").write_bytes(saved(Image.new("RGB", (40, 40), (1, 1, 1))))
    assert groups(tmp_path) == [["a.jpg", "b.jpg", "link.jpg"]]


def test_pictures_of_one_entity_and_of_several_are_told_apart(tmp_path: Path) -> None:
    for entity in range(8):
        for number in range(12):
            path = tmp_path / f"{entity}-{number}.jpg"
            path.write_bytes(saved(drawn(number, f"Animals/Marten_{entity}")))
    assert groups(tmp_path) == []


def test_marks_on_white_are_told_apart(tmp_path: Path) -> None:
    for number in range(4):
        picture = Image.new("RGB", (96, 96), "white")
        picture.paste((200, 0, 0), (10 + 20 * number, 40, 26 + 20 * number, 56))
        (tmp_path / f"{number}.png").write_bytes(saved(picture, "PNG"))
    assert groups(tmp_path) == []


def test_what_cannot_be_decoded_is_left_out(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    (tmp_path / "c.jpg").mkdir()
    assert groups(tmp_path) == []
    assert same_pictures({}) == []


def test_what_others_show_too_is_found_among_them(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(saved(drawn(number)))
    (tmp_path / "small.jpg").write_bytes(scaled(64)(drawn(2)))
    look = look_at_all(tmp_path, sorted(path.name for path in tmp_path.iterdir()))
    asked = [look["small.jpg"], look["0.jpg"], look["3.jpg"]]
    among = [look["1.jpg"], look["2.jpg"], look["3.jpg"]]
    assert shown_among(asked, among) == [True, False, True]
    assert shown_among(asked, []) == [False, False, False]
    assert shown_among([], among) == []


def test_only_files_of_one_size_and_content_are_equal(tmp_path: Path) -> None:
    for name, data in (("a", b"12"), ("b", b"34"), ("c", b"12"), ("d", b"123")):
        (tmp_path / name).write_bytes(data)
    (found,) = equal_files(sorted(tmp_path.iterdir()))
    assert [path.name for path in found] == ["a", "c"]


def test_no_run_starts_on_a_file_to_forget_and_to_keep(tmp_path: Path) -> None:
    records = {}
    for split, name in (("forget", "Dog"), ("retain", "Cat")):
        records[split] = []
        for number in range(3):
            image = f"downloaded_images/Animals/{name}/{number}.jpg"
            records[split].append({"image": image, "question": "What is it?", "answer": name})
            path = tmp_path / image
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(saved(drawn(number, f"Animals/{name}")))
    release.write({"A": records}, tmp_path)
    benchmark = release.read(tmp_path)
    require_distinct(benchmark)
    folder = tmp_path / "downloaded_images/Animals"
    # Twice of one entity is no reason to stop.
    (folder / "Cat/2.jpg").write_bytes((folder / "Cat/1.jpg").read_bytes())
    require_distinct(benchmark)
    (folder / "Cat/1.jpg").unlink()
    (folder / "Cat/1.jpg").symlink_to(folder / "Dog/0.jpg")
    with pytest.raises(
        DataError, match="Animals/Dog, to be forgotten, and Animals/Cat, to be kept"
    ):
        require_distinct(benchmark)
