"""Looks at a picture: itself, views of it, and its parts."""

from pathlib import Path

import pytest
from PIL import Image

from mlubench.lumoe.gates.looks import look, numbers_of, part
from mlubench.types import Benchmark


@pytest.fixture
def squares() -> Image.Image:
    """Ten pixels wide and four high; each pixel's colour says where it stands."""
    picture = Image.new("RGB", (10, 4))
    for x in range(10):
        for y in range(4):
            picture.putpixel((x, y), (x, y, 0))
    return picture


def test_a_view_is_drawn_alike_each_time(benchmark: Benchmark) -> None:
    path = benchmark.picture(benchmark.samples[0])
    assert look(path, 1).tobytes() == look(path, 1).tobytes()


def test_each_view_is_another_picture(benchmark: Benchmark) -> None:
    path = benchmark.picture(benchmark.samples[0])
    views = {look(path, number).tobytes() for number in range(4)}
    assert len(views) == 4


def test_a_picture_that_is_asked_about_is_looked_at_as_a_whole() -> None:
    assert list(numbers_of(parts=False)) == [0]


def test_in_parts_it_is_looked_at_nine_times() -> None:
    assert list(numbers_of(parts=True)) == [0, -1, -2, -3, -4, -5, -6, -7, -8]


def test_a_negative_number_is_a_part(squares: Image.Image, tmp_path: Path) -> None:
    squares.save(tmp_path / "picture.png")
    right_half = look(tmp_path / "picture.png", -2)
    assert right_half.size == (5, 4)
    assert right_half.getpixel((0, 0)) == (5, 0, 0)


@pytest.mark.parametrize(
    ("number", "size", "first"),
    [
        (1, (5, 4), (0, 0, 0)),  # left half
        (4, (10, 2), (0, 2, 0)),  # lower half
        (6, (5, 2), (5, 0, 0)),  # upper right quarter
        (8, (5, 2), (5, 2, 0)),  # lower right quarter
    ],
)
def test_parts_are_halves_and_quarters(
    squares: Image.Image, number: int, size: tuple[int, int], first: tuple[int, int, int]
) -> None:
    found = part(squares, number)
    assert found.size == size
    assert found.getpixel((0, 0)) == first


def test_part_nought_is_the_whole(squares: Image.Image) -> None:
    assert part(squares, 0) is squares


def test_a_part_has_a_pixel_at_least() -> None:
    assert part(Image.new("RGB", (1, 9)), 2).size == (1, 9)
