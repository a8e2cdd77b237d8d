"""Each evasion changes what it says, leaves the rest, and comes out the same again."""

import numpy as np
import pytest
from PIL import Image

from mlubench.data.evasion import NAMES, PICTURES, side_by_side
from mlubench.data.render import render
from mlubench.lumoe.gates.spelling import fold

NAME = "Teodora Kalmarin"


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_written_otherwise(kind: str) -> None:
    got = {NAMES[kind](NAME, seed) for seed in range(20)}
    assert NAME not in got
    assert got == {NAMES[kind](NAME, seed) for seed in range(20)}
    if kind == "misspelt":
        assert len(got) > 3
        assert {word[0] for name in got for word in name.split()} == {"T", "K"}
        assert all(abs(len(name) - len(NAME)) <= 1 for name in got)
    else:
        assert {fold(name) for name in got} == {fold(NAME)}  # for the eye it is the name


def test_a_name_too_short_to_misspell_stays() -> None:
    assert NAMES["misspelt"]("Bo Li", 0) == "Bo Li"


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_changed(kind: str) -> None:
    picture = render("Animals/Cat", "a.jpg")
    first, again, other = (PICTURES[kind](picture, seed) for seed in (0, 0, 1))
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes() != picture.tobytes()
    assert kind == "mirror" or first.tobytes() != other.tobytes()
    assert (first.width < picture.width) is (kind == "crop")
    assert first.width >= 0.75 * picture.width - 1


def test_side_by_side_shows_both() -> None:
    red = Image.new("RGB", (40, 20), "red")
    blue = Image.new("RGB", (30, 60), "blue")
    both = side_by_side(red, blue)
    assert both.size == (50, 20)
    pixels = np.asarray(both)
    assert (pixels[:, :40] == (255, 0, 0)).all()
    assert (pixels[:, 40:] == (0, 0, 255)).all()
