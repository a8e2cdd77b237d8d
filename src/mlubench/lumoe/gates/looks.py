"""How a gate looks at a picture: as it is, at views and guises of it that are rendered to learn from, and at its parts."""

import random
from pathlib import Path

from PIL import Image, ImageOps, ImageStat

from mlubench.data.pictures import open_picture
from mlubench.lumoe.gates.guises import GUISES, in_guise

# How far a view is turned either way, in degrees.
TURN = (8, 30)
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
# The look of this number is the first guise. Views have lower numbers: `gates.views` allows 50.
FIRST_GUISE = 101
# Of a picture's looks, those in guises.
IN_GUISES = range(FIRST_GUISE, FIRST_GUISE + len(GUISES))


def look(picture: Path, number: int) -> Image.Image:
    """The picture itself, where the number is 0; above, a view or a guise that file name and number decide; below, part
    -number."""
    shown = open_picture(picture)
    if number < 0:
        return part(shown, -number)
    if number == 0:
        return shown
    if number < FIRST_GUISE:
        return view(shown, picture.name, number)
    return in_guise(shown, picture.name, number - FIRST_GUISE)


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


def view(shown: Image.Image, name: str, number: int) -> Image.Image:
    """The picture turned, and mirrored too where the number is even: what encoders mind most."""
    rng = random.Random(f"view/{name}/{number}")
    turn = rng.uniform(*TURN) * rng.choice((-1, 1))
    view = ImageOps.mirror(shown) if number % 2 == 0 else shown
    return view.rotate(turn, Image.Resampling.BICUBIC, fillcolor=_mean_colour(shown))


def _mean_colour(shown: Image.Image) -> tuple[int, int, int]:
    red, green, blue = (round(value) for value in ImageStat.Stat(shown).mean)
    return red, green, blue
