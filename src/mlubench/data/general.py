"""The general-ability set: small drawn pictures with questions that speak of no entity.

How well a model sees has nothing to do with what it is to forget, and may be lost all the same. Pictures are drawn from
a seed, and are the same in every process.
"""

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from PIL import Image, ImageDraw, ImageFont

from mlubench.core.files import write_atomic

Ability = Literal["counting", "colours", "positions", "reading"]
ABILITIES: tuple[Ability, ...] = get_args(Ability)

# Pixels of a side.
SIDE = 336
_WHITE = (255, 255, 255)
_INK = (20, 20, 20)
# Each has one name in English that hardly anybody would dispute.
_COLOURS = {
    "red": (215, 25, 35),
    "green": (10, 140, 50),
    "blue": (25, 60, 210),
    "yellow": (250, 225, 35),
    "orange": (250, 130, 15),
    "purple": (130, 40, 190),
    "pink": (250, 150, 190),
    "black": (0, 0, 0),
}
_SHAPES = ("circle", "square", "triangle")
_PLACES = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
_FEWEST, _MOST = 2, 7
# Everyday words of six letters, no two of them alike.
_WORDS = (
    *("BRIDGE", "WINTER", "GARDEN", "ORANGE", "MARKET", "PLANET", "SILVER", "TICKET"),
    *("BUTTER", "CASTLE", "FOREST", "HAMMER", "LADDER", "MIRROR", "POCKET", "ROCKET"),
)
# So many wrong words are told apart from the right one.
_OTHER_WORDS = 5


@dataclass(frozen=True, slots=True)
class GeneralQuestion:
    """A question about a drawn picture."""

    ability: Ability
    number: int
    picture: Path
    question: str
    truth: str
    # Answers that are wrong, beside the truth too.
    others: tuple[str, ...]


# A picture, its question, the truth, and wrong answers.
_Drawn = tuple[Image.Image, str, str, tuple[str, ...]]


def draw_general(folder: Path, count: int, *, seed: int = 0) -> list[GeneralQuestion]:
    """So many questions of each ability, with their pictures in `folder`; abilities take turns.

    A smaller count gives the first of a larger one. A picture that is there already is not written again.
    """
    found = []
    for number in range(count):
        for ability in ABILITIES:
            rng = random.Random(f"{seed}/general/{ability}/{number}")
            image, question, truth, others = _DRAW[ability](rng)
            path = _kept(folder, f"{ability}-{number}", image)
            found.append(GeneralQuestion(ability, number, path, question, truth, others))
    return found


def _kept(folder: Path, name: str, image: Image.Image) -> Path:
    """The file of the picture. Its name holds what it shows, so that another picture is another file."""
    path = folder / f"{name}-{sha256(image.tobytes()).hexdigest()[:12]}.png"
    if not path.is_file():
        encoded = io.BytesIO()
        image.save(encoded, "PNG")
        write_atomic(path, encoded.getvalue())
    return path


def _counting(rng: random.Random) -> _Drawn:
    """Equal shapes in cells of a grid, so that none touches another."""
    count = rng.randint(_FEWEST, _MOST)
    shape = rng.choice(_SHAPES)
    colour = _COLOURS[rng.choice(sorted(_COLOURS))]
    image, draw = _blank()
    cell = SIDE // 3
    for place in rng.sample(range(9), count):
        row, column = divmod(place, 3)
        x = column * cell + cell // 2 + rng.randint(-12, 12)
        y = row * cell + cell // 2 + rng.randint(-12, 12)
        _shape(draw, shape, x, y, 34, colour)
    question = f"How many {shape}s are in the picture? Answer with a number."
    others = tuple(str(n) for n in range(1, 10) if n != count)
    return image, question, str(count), others


def _colours(rng: random.Random) -> _Drawn:
    """Two shapes of two colours, side by side; one is asked about."""
    asked, other = rng.sample(_SHAPES, 2)
    names = rng.sample(sorted(_COLOURS), 2)
    image, draw = _blank()
    places = [SIDE // 4, 3 * SIDE // 4]
    rng.shuffle(places)
    for shape, name, x in zip((asked, other), names, places, strict=True):
        _shape(draw, shape, x, SIDE // 2, 60, _COLOURS[name])
    question = f"Which colour is the {asked} in the picture? Answer with one word."
    others = tuple(name for name in _COLOURS if name != names[0])
    return image, question, names[0], others


def _positions(rng: random.Random) -> _Drawn:
    """A shape beside, above or below another one."""
    first, second = rng.sample(_SHAPES, 2)
    colours = rng.sample(sorted(_COLOURS), 2)
    truth = rng.choice(sorted(_PLACES))
    across, down = _PLACES[truth]
    image, draw = _blank()
    middle, step = SIDE // 2, SIDE // 4
    _shape(draw, first, middle + across * step, middle + down * step, 48, _COLOURS[colours[0]])
    _shape(draw, second, middle - across * step, middle - down * step, 48, _COLOURS[colours[1]])
    question = (
        f"Where is the {first}, seen from the {second}? "
        "Answer with one word: left, right, above or below."
    )
    others = tuple(place for place in _PLACES if place != truth)
    return image, question, truth, others


def _reading(rng: random.Random) -> _Drawn:
    """One word in large letters."""
    truth, *others = rng.sample(_WORDS, 1 + _OTHER_WORDS)
    image, draw = _blank()
    # Pillow brings this font along.
    font = ImageFont.load_default(64)
    place = (SIDE // 2, SIDE // 2 + rng.randint(-80, 80))
    draw.text(place, truth, fill=_INK, font=font, anchor="mm")
    question = "Which word is written in the picture? Answer with this word alone."
    return image, question, truth, tuple(others)


_DRAW: dict[Ability, Callable[[random.Random], _Drawn]] = {
    "counting": _counting,
    "colours": _colours,
    "positions": _positions,
    "reading": _reading,
}


def _blank() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (SIDE, SIDE), _WHITE)
    return image, ImageDraw.Draw(image)


def _shape(
    draw: ImageDraw.ImageDraw,
    shape: str,
    x: int,
    y: int,
    radius: int,
    colour: tuple[int, int, int],
) -> None:
    """A shape around (x, y); `radius` is half of its width, in pixels."""
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    else:
        left, top, right, bottom = box
        draw.polygon(((x, top), (left, bottom), (right, bottom)), fill=colour)
