"""New views of one picture: another crop, angle, light and tint. They are views of the same photograph, never new ones."""

import random

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

# Raise it whenever the same seed would give other views.
VIEWS_VERSION = "views-1"
# The same for `varied_view`, which no benchmark is made with.
VARIED_VERSION = "varied-1"

# Pixels of a side, which is what the vision tower of the real base takes.
SIZE = 224

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

# The least share of a side that a crop keeps.
_LEAST_CROP = 0.7
# How far a corner may wander, as a share of the side, and how far the picture may turn, in degrees.
_WANDER = 0.07
_TURN = 9
# The range of brightness, and of each colour beside the others.
_BRIGHTNESS = (0.7, 1.25)
_TINT = (0.93, 1.07)

# Of `varied_view`: the least share of a photograph's side that stays, the widest margin round a drawing as a share of its
# side, and the ranges of colour, contrast and blur (pixels).
_LEAST_PART = 0.45
_WIDEST_MARGIN = 0.35
_COLOUR = (0.3, 1.5)
_CONTRAST = (0.6, 1.4)
_BLUR = (0.0, 3.0)
# How often a photograph is blurred, and a drawing loses its colours or changes dark for light.
_BLURRED = 0.3
_GREYED = 0.3
_INVERTED = 0.4


def ground_of(cls: str) -> Colour:
    """What lies around a picture of this class: celestial bodies stand before a black sky."""
    return BLACK if cls == "Astronomy" else WHITE


def is_drawn(cls: str) -> bool:
    """Whether pictures of this class are drawings, as logos are: the same in other colours, and wrong when mirrored."""
    return cls == "Corporation"


def whole_view(picture: Image.Image, size: int, ground: Colour) -> Image.Image:
    """All of the picture on a square of `size` pixels a side."""
    return _square(picture, ground).resize((size, size), Image.Resampling.BICUBIC)


def draw_view(
    picture: Image.Image, size: int, ground: Colour, rng: random.Random, *, may_mirror: bool
) -> Image.Image:
    """A view of `size` pixels a side, as `rng` draws it. What is written must not be mirrored."""
    square = _square(picture, ground)
    side = square.width
    kept = int(side * rng.uniform(_LEAST_CROP, 1))
    left = rng.randint(0, side - kept)
    top = rng.randint(0, side - kept)
    view = square.crop((left, top, left + kept, top + kept))
    view = view.resize((size, size), Image.Resampling.BICUBIC)
    view = view.transform(
        (size, size),
        Image.Transform.QUAD,
        _wandered_corners(size, rng),
        Image.Resampling.BICUBIC,
        fillcolor=ground,
    )
    view = view.rotate(rng.uniform(-_TURN, _TURN), Image.Resampling.BICUBIC, fillcolor=ground)
    if may_mirror and rng.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    view = ImageEnhance.Brightness(view).enhance(rng.uniform(*_BRIGHTNESS))
    return _tinted(view, rng)


def varied_view(picture: Image.Image, size: int, cls: str, rng: random.Random) -> Image.Image:
    """A view of `size` pixels a side that is as unlike the picture as another picture of the same thing may be.

    To learn from: who sees only gentle views learns the one photograph, not what it shows. A photograph is cut further,
    and its colours, contrast and sharpness change. A drawing is shown on other grounds, in grey, and in opposite colours.
    """
    ground = ground_of(cls)
    square = _square(picture, ground)
    if is_drawn(cls):
        return draw_view(_redrawn(square, rng), size, ground, rng, may_mirror=False)
    kept = int(square.width * rng.uniform(_LEAST_PART, 1))
    left = rng.randint(0, square.width - kept)
    top = rng.randint(0, square.width - kept)
    part = square.crop((left, top, left + kept, top + kept))
    part = ImageEnhance.Color(part).enhance(rng.uniform(*_COLOUR))
    part = ImageEnhance.Contrast(part).enhance(rng.uniform(*_CONTRAST))
    if rng.random() < _BLURRED:
        part = part.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR)))
    return draw_view(part, size, ground, rng, may_mirror=True)


def _redrawn(square: Image.Image, rng: random.Random) -> Image.Image:
    """A drawing in other colours and with another margin, which continues its ground."""
    if rng.random() < _GREYED:
        square = ImageOps.grayscale(square).convert("RGB")
    if rng.random() < _INVERTED:
        square = ImageOps.invert(square)
    margin = int(square.width * rng.uniform(0, _WIDEST_MARGIN))
    side = square.width + 2 * margin
    wider = square.crop((0, 0, 1, 1)).resize((side, side))
    wider.paste(square, (margin, margin))
    return wider


def _square(picture: Image.Image, ground: Colour) -> Image.Image:
    """The picture in the middle of a square, so that its shape stays."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), ground)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def _wandered_corners(size: int, rng: random.Random) -> tuple[float, ...]:
    """The four corners that become the picture's, from upper left against the clock, each a little off."""
    corners = ((0, 0), (0, size), (size, size), (size, 0))
    wandered = []
    for corner in corners:
        for coordinate in corner:
            wandered.append(coordinate + rng.uniform(-_WANDER, _WANDER) * size)
    return tuple(wandered)


def _tinted(view: Image.Image, rng: random.Random) -> Image.Image:
    bands = []
    for band in view.split():
        factor = rng.uniform(*_TINT)
        bands.append(band.point([min(255, round(value * factor)) for value in range(256)]))
    return Image.merge("RGB", bands)
