"""Stand-in pictures, so that the whole experiment runs where the photographs (which are not ours to ship) are absent.

An entity has an emblem that its key alone decides: a bold body, a core and moons, in strong colours. Its pictures
differ in place, size, turn, light, background and noise, as their file names decide. All draws are seeded by SHA-256,
never by `hash()`, so a picture is the same in every process.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mlubench.core.errors import DataError
from mlubench.core.files import write_json
from mlubench.data.records import entity_of, path_problem, short
from mlubench.data.release import STAND_IN_MARK

# Raise it whenever a picture would change: users hash it with what they make from the pictures.
RENDERER_VERSION = "emblems-1"

Points = NDArray[np.float64]
Colour = tuple[int, int, int]

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}

# Strong and far apart (any two differ by 60 of 255 or more in some channel): light and noise move them far less.
_COLOURS: tuple[Colour, ...] = (
    (215, 25, 35),
    (250, 130, 15),
    (250, 225, 35),
    (135, 215, 30),
    (10, 120, 50),
    (20, 200, 190),
    (60, 150, 250),
    (25, 40, 190),
    (130, 40, 215),
    (245, 60, 190),
    (115, 60, 20),
    (250, 250, 250),
)
_BODIES = (
    "disc",
    "triangle",
    "square",
    "star",
    "plus",
    "heart",
    "crescent",
    "dome",
    "arrow",
    "hourglass",
    "trefoil",
    "slab",
)
_CORES = ("disc", "triangle", "square", "star", "plus", "hourglass", "slab", "post")
_MOONS = ("disc", "triangle", "plus", "slab")
_MOON_COUNTS = (1, 2, 3, 4)

# The number of different emblems: a core and its moons never take the colour of their body.
EMBLEMS = (
    len(_BODIES)
    * len(_COLOURS)
    * len(_CORES)
    * (len(_COLOURS) - 1)
    * len(_MOON_COUNTS)
    * len(_MOONS)
    * (len(_COLOURS) - 1)
)


@dataclass(frozen=True, slots=True)
class Emblem:
    """What an entity looks like in every one of its stand-ins."""

    # Shapes by name, colours by their number in the palette.
    body: str
    body_colour: int
    core: str
    core_colour: int
    moons: int  # how many
    moon: str
    moon_colour: int


def emblem_of(entity_key: str) -> Emblem:
    """The emblem of the entity "Class/Name", one of `EMBLEMS`, drawn from the key alone."""
    name = unicodedata.normalize("NFC", entity_key)
    draws = np.frombuffer(hashlib.sha256(f"emblem\0{name}".encode()).digest(), dtype="<u4").tolist()
    body_colour = draws[1] % len(_COLOURS)
    others = [i for i in range(len(_COLOURS)) if i != body_colour]
    return Emblem(
        body=_BODIES[draws[0] % len(_BODIES)],
        body_colour=body_colour,
        core=_CORES[draws[2] % len(_CORES)],
        core_colour=others[draws[3] % len(others)],
        moons=_MOON_COUNTS[draws[4] % len(_MOON_COUNTS)],
        moon=_MOONS[draws[5] % len(_MOONS)],
        moon_colour=others[draws[6] % len(others)],
    )


def _polar(radius: NDArray[np.float64] | float, angle: NDArray[np.float64]) -> Points:
    """Points around the middle; angle 0 is straight up, and angles go clockwise."""
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)


def _corners(*pairs: tuple[float, float]) -> Points:
    return np.array(pairs, dtype=np.float64)


def _heart(turn: NDArray[np.float64]) -> Points:
    """The well-known parametric heart, 32 wide, scaled to about the unit disc."""
    down = -(13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn))
    return np.stack([16 * np.sin(turn) ** 3, down - 1], axis=1) / 16


def _crescent() -> Points:
    # A circle of radius 0.66 is bitten out 0.45 above the middle; the angles are where the two circles meet.
    bitten = _polar(0.66, np.linspace(2 * np.pi - 0.916, 0.916, 32)) + np.array((0, -0.45))
    return np.concatenate([_polar(1.0, np.linspace(0.551, 2 * np.pi - 0.551, 40)), bitten])


_POLYGONS = {
    "triangle": _corners((0, -1.05), (0.98, 0.7), (-0.98, 0.7)),
    "square": _corners((-0.76, -0.76), (0.76, -0.76), (0.76, 0.76), (-0.76, 0.76)),
    "plus": _corners(
        (-0.34, -1),
        (0.34, -1),
        (0.34, -0.34),
        (1, -0.34),
        (1, 0.34),
        (0.34, 0.34),
        (0.34, 1),
        (-0.34, 1),
        (-0.34, 0.34),
        (-1, 0.34),
        (-1, -0.34),
        (-0.34, -0.34),
    ),
    "arrow": _corners(
        (0, -1.05),
        (0.95, -0.05),
        (0.42, -0.05),
        (0.42, 0.95),
        (-0.42, 0.95),
        (-0.42, -0.05),
        (-0.95, -0.05),
    ),
    "hourglass": _corners(
        (-0.85, -0.95), (0.85, -0.95), (0.28, 0), (0.85, 0.95), (-0.85, 0.95), (-0.28, 0)
    ),
    "slab": _corners((-1.05, -0.46), (1.05, -0.46), (1.05, 0.46), (-1.05, 0.46)),
    "post": _corners((-0.42, -1.05), (0.42, -1.05), (0.42, 1.05), (-0.42, 1.05)),
}


@cache
def _outlines() -> dict[str, Points]:
    """Every shape's outline in about the unit disc, (points, 2), x to the right and y down."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    half_turn = np.linspace(-np.pi / 2, np.pi / 2, 24)
    # Five points and the notches between them.
    star_radius = np.where(np.arange(10) % 2, 0.46, 1.05)
    return _POLYGONS | {
        "disc": _polar(0.88, turn),
        "star": _polar(star_radius, np.arange(10) * np.pi / 5),
        "trefoil": _polar(0.72 + 0.33 * np.cos(3 * turn), turn),
        "heart": _heart(turn),
        "crescent": _crescent(),
        "dome": _polar(1.0, half_turn) * np.array((1, 1.3)) + np.array((0, 0.6)),
    }


def _generator(*words: str) -> np.random.Generator:
    """Seeded by the words alone. Accents may be spelled as one sign or two: file systems differ in that."""
    text = unicodedata.normalize("NFC", "\0".join(words))
    return np.random.default_rng(np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype="<u4"))


def _muted(rng: np.random.Generator, light: float) -> NDArray[np.float32]:
    """A greyish colour of about the given lightness (0 to 255): backgrounds never compete with an emblem."""
    return (light + rng.uniform(-18, 18, 3)).astype(np.float32)


def _background(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """A gradient, stripes or blotches between two muted colours, (size, size, 3), values 0 to 255."""
    # The order of the draws decides every picture: it must stay.
    light = rng.uniform(70, 185)
    first = _muted(rng, light - rng.uniform(12, 32))
    second = _muted(rng, light + rng.uniform(12, 32))
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    along = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]  # (size, size)
    pattern = rng.integers(3)
    if pattern == 0:
        mix = (along + 1.42) / 2.84  # a gradient: `along` reaches the square root of 2 either way
    elif pattern == 1:
        mix = 0.5 + 0.5 * np.sin(along * rng.uniform(5, 14) + rng.uniform(0, 6.3))
    else:
        cells = int(rng.integers(3, 7))
        blotches = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
        mix = np.asarray(blotches.resize((size, size), Image.Resampling.BICUBIC))
    return first + np.clip(mix, 0, 1)[:, :, None] * (second - first)


def _finish(canvas: NDArray[np.float32], rng: np.random.Generator) -> Image.Image:
    """Light, a slight cast and noise over the whole picture."""
    light = np.float32(rng.uniform(0.88, 1.1))
    cast = rng.uniform(-7, 7, 3).astype(np.float32)  # (3,)
    noise = rng.standard_normal(canvas.shape[:2], dtype=np.float32)[:, :, None]
    grain = noise * np.float32(rng.uniform(2, 8))
    return Image.fromarray(np.clip(canvas * light + cast + grain, 0, 255).astype(np.uint8))


def _shade(index: int, jitter: NDArray[np.float64]) -> Colour:
    """A colour of the palette, moved a little."""
    red, green, blue = np.clip(np.array(_COLOURS[index]) + jitter, 0, 255).astype(int).tolist()
    return red, green, blue


def _edge(index: int) -> Colour:
    """A rim against the colour, so that no part melts into its background."""
    red, green, blue = _COLOURS[index]
    lightness = 0.3 * red + 0.59 * green + 0.11 * blue  # as the eye weighs them (ITU-R BT.601)
    return (20, 20, 24) if lightness > 110 else (245, 245, 245)


def _emblem_layer(emblem: Emblem, rng: np.random.Generator, size: int) -> Image.Image:
    """The emblem alone on a clear ground, (size, size), alpha multiplied in; drawn twice as large for smooth edges."""
    wide = 2 * size
    radius = wide * rng.uniform(0.66, 0.94) / 2
    centre = wide / 2 + rng.uniform(-0.6, 0.6, 2) * (wide / 2 - radius)
    turn = np.radians(rng.uniform(-20, 20))
    # Points are rows, so this turns them when it stands on their right.
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    jitter = rng.uniform(-14, 14, (3, 3))
    layer = Image.new("RGBA", (wide, wide))
    draw = ImageDraw.Draw(layer)

    def put(shape: str, scale: float, at: Points, index: int, shift: NDArray[np.float64]) -> None:
        """Draw a shape; `scale` and `at` are in the emblem's radius, `index` is a colour's, `shift` moves it."""
        points = (_outlines()[shape] * scale + at) @ matrix * radius + centre
        draw.polygon(
            points.ravel().tolist(),
            fill=(*_shade(index, shift), 255),
            outline=(*_edge(index), 255),
            width=max(2, round(radius * 0.035)),
        )

    middle = np.zeros(2)
    put(emblem.body, 0.76, middle, emblem.body_colour, jitter[0])
    put(emblem.core, 0.4, middle, emblem.core_colour, jitter[1])
    # Moons start upper right, where they hide no point of any body, and go round evenly.
    angles = np.pi / 4 + 2 * np.pi * np.arange(emblem.moons) / emblem.moons
    for at in _polar(0.78, angles):
        put(emblem.moon, 0.26, at, emblem.moon_colour, jitter[2])
    return layer.convert("RGBa").reduce(2)


def render(entity_key: str, file_name: str, *, size: int = 96) -> Image.Image:
    """The stand-in for one picture of the entity "Class/Name": an RGB image of (size, size) pixels.

    The same key, file name and size give the same pixels in every process.
    """
    rng = _generator("picture", entity_key, file_name)
    ground = _background(rng, size)
    layer = np.asarray(_emblem_layer(emblem_of(entity_key), rng, size), dtype=np.float32)
    clear = np.float32(1) - layer[:, :, 3:] / np.float32(255)
    return _finish(ground * clear + layer[:, :, :3], rng)


def render_blank(file_name: str, *, size: int = 96) -> Image.Image:
    """A picture that shows no entity: the same backgrounds, light and noise, and no emblem."""
    rng = _generator("blank", file_name)
    return _finish(_background(rng, size), rng)


def _entity_key(path: str) -> str:
    """The "Class/Name" in a picture's path. Raises DataError for a path that is no picture's."""
    problem = path_problem(path)
    if not problem and PurePosixPath(path).suffix.lower() not in _FORMATS:
        problem = f"is none of {', '.join(_FORMATS)}"
    if problem:
        raise DataError(
            f"picture path {short(path)} {problem}",
            "`mlubench data check` lists everything that is wrong.",
        )
    return entity_of(path).key


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = _FORMATS[path.suffix.lower()]
    if kind == "PNG":
        picture.save(path, kind, compress_level=3)
    else:
        picture.save(path, kind, quality=92)


def render_release(
    paths: Iterable[str],
    out: Path,
    *,
    size: int = 96,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Draw a stand-in at `out`/path for every distinct path `.../<Class>/<Entity>/<file>`; returns how many.

    `progress` is called with (done, total) after each picture. The mark file says `whole` once all pictures
    are there. Raises DataError, before anything is written, when a path is absolute, leaves `out`, or is no picture's.
    """
    keys = {path: _entity_key(path) for path in sorted(set(paths))}
    out.mkdir(parents=True, exist_ok=True)
    # Marked from the start, so that an interrupted drawing cannot pass for photographs.
    write_json(out / STAND_IN_MARK, {"stand_ins": True, "whole": False})
    for done, (path, key) in enumerate(keys.items(), start=1):
        _save(render(key, PurePosixPath(path).name, size=size), out / path)
        if progress:
            progress(done, len(keys))
    mark = {
        "stand_ins": True,
        "whole": True,
        "renderer": RENDERER_VERSION,
        "size": size,
        "count": len(keys),
    }
    write_json(out / STAND_IN_MARK, mark)
    return len(keys)
