"""Looks at a picture: itself, views of it, and its parts."""

from pathlib import Path

from PIL import Image

from mlubench.lumoe.gates.looks import PARTS, look, numbers_of, part
from mlubench.types import Benchmark


def test_a_view_is_drawn_alike_each_time_and_is_another_picture(benchmark: Benchmark) -> None:
    path = benchmark.picture(benchmark.samples[0])
    assert look(path, 1).tobytes() == look(path, 1).tobytes()
    assert len({look(path, number).tobytes() for number in range(4)}) == 4


def test_parts_are_halves_and_quarters(tmp_path: Path) -> None:
    picture = Image.new("RGB", (10, 4))
    for x in range(10):
        for y in range(4):
            picture.putpixel((x, y), (x, y, 0))
    picture.save(tmp_path / "picture.png")
    assert list(numbers_of(parts=False)) == [0]
    assert list(numbers_of(parts=True)) == [0, *(-n for n in range(1, len(PARTS) + 1))]
    assert look(tmp_path / "picture.png", -2).size == (5, 4)
    assert look(tmp_path / "picture.png", -2).getpixel((0, 0)) == (5, 0, 0)
    assert part(picture, 4).getpixel((0, 0)) == (0, 2, 0)
    assert part(picture, 8).size == (5, 2)
    assert part(picture, 0) is picture
    assert part(Image.new("RGB", (1, 9)), 2).size == (1, 9)
