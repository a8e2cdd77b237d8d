"""How a gate looks at a picture: as it is, at views of it that are rendered to learn from, and at its parts."""

import random
from pathlib import Path

from PIL import Image

from mlubench.data.pictures import open_picture
from mlubench.data.real.views import SIZE, draw_view

GROUND = (255, 255, 255)
# Parts as shares of width and height: left, top, right, bottom. Halves, then quarters.
PARTS = (
    (0.0, 0.0, 0.5, 1.0),
    (0.5, 0.0, 1.0, 1.0),
    (0.0, 0.0, 1.0, 0.5),
    (0.0, 0.5, 1.0, 1.0),
    (0.0, 0.0, 0.5, 0.5),
    (0.5, 0.0, 1.0, 0.5),
    (0.0, 0.5, 0.5, 1.0),
    (0.5, 0.5, 1.0, 1.0),
)


def look(picture: Path, number: int) -> Image.Image:
    """The picture itself, where the number is 0; above, a view that file name and number decide; below, part -number."""
    shown = open_picture(picture)
    if number < 0:
        return part(shown, -number)
    return shown if number == 0 else _view(shown, picture.name, number)


def numbers_of(parts: bool) -> range:
    """The numbers of the looks at a picture that is asked about: the whole, and all parts where they are wanted."""
    return range(0, -len(PARTS) - 1, -1) if parts else range(1)


def part(shown: Image.Image, number: int) -> Image.Image:
    """The part of that number, from 1; 0 is the whole."""
    if number == 0:
        return shown
    left, top, right, bottom = PARTS[number - 1]
    width, height = shown.size
    # At least a pixel, however thin the picture is.
    box = (
        int(left * width),
        int(top * height),
        max(int(left * width) + 1, round(right * width)),
        max(int(top * height) + 1, round(bottom * height)),
    )
    return shown.crop(box)


def _view(shown: Image.Image, name: str, number: int) -> Image.Image:
    rng = random.Random(f"view/{name}/{number}")
    return draw_view(shown, min(max(shown.size), SIZE), GROUND, rng, may_mirror=False)
