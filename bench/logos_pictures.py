"""Pictures of thousands of logos for `logos.py`: in any colours, on any ground, turned and lit anew."""

import io
import json
import random
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from mlubench.core.cache import cache_root
from mlubench.core.files import digest, file_sha256, replacing
from mlubench.data.real.entities import open_shipped, shipped

# Raised whenever the same logo would give another picture.
VERSION = 1
SIDE = 192  # pixels of a mark
SIZE = 224  # of a picture
# Two shapes that correlate more at this size are one logo.
THUMB = 32
ALIKE = 0.93

Colour = tuple[int, int, int]
Masks = NDArray[np.uint8]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
STYLES = ("brand", "black", "white on brand", "brand on white")
GROUNDS = ("white", "dark", "colour", "gradient", "photograph")
# How far colours of mark and ground must be apart in some channel, and how often a ground is drawn for that.
APART = 60
TRIES = 20
# Share of the frame, turn in degrees, wandering corners as a share of the mark, share of pictures off the edge and how far.
SHARE = (0.45, 0.95)
TURN = 20
WANDER = 0.12
OFF_EDGE = 0.25
FARTHEST_OFF = 0.2
LIGHT = (0.65, 1.25)
BLURRED = 0.3
QUALITY = (35, 95)


@dataclass(frozen=True, slots=True)
class Logos:
    """All logos that are unlike each other."""

    names: tuple[str, ...]
    colours: tuple[Colour, ...]  # of the brands
    masks: Masks  # (N, SIDE, SIDE), 255 where the mark is


def open_logos(package: Path) -> Logos:
    """The logos of a packed simple-icons, drawn into the cache unless they are there. Needs the package cairosvg then."""
    kept = cache_root() / "logos" / f"{digest([file_sha256(package), SIDE, ALIKE])}.npz"
    if not kept.is_file():
        names, colours, masks = _drawn(package)
        distinct = _distinct(masks)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as file:
            np.savez_compressed(
                file,
                names=np.array(names)[distinct],
                colours=np.array(colours)[distinct],
                masks=masks[distinct],
            )
    with np.load(kept) as found:
        colours = tuple(_colour(row) for row in found["colours"].tolist())
        return Logos(tuple(found["names"].tolist()), colours, found["masks"])


def _drawn(package: Path) -> tuple[list[str], list[Colour], Masks]:
    import cairosvg

    names, colours, masks = [], [], []
    with tarfile.open(package) as tar:
        icons = json.loads(_read(tar, "package/data/simple-icons.json"))
        for icon in sorted(icons, key=lambda icon: icon["slug"]):
            svg = _read(tar, f"package/icons/{icon['slug']}.svg")
            png = cairosvg.svg2png(bytestring=svg, output_width=SIDE, output_height=SIDE)
            masks.append(np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[:, :, 3])
            names.append(icon["slug"])
            colours.append(_colour(bytes.fromhex(icon["hex"])))
    return names, colours, np.stack(masks)


def _read(tar: tarfile.TarFile, path: str) -> bytes:
    member = tar.extractfile(path)
    assert member is not None
    return member.read()


def _colour(values: Sequence[int]) -> Colour:
    red, green, blue = values
    return int(red), int(green), int(blue)


def _distinct(masks: Masks) -> list[int]:
    """The numbers of the logos that are unlike all before them."""
    thumbs = []
    for mask in masks:
        thumb = Image.fromarray(mask).resize((THUMB, THUMB), Image.Resampling.BOX)
        row = np.asarray(thumb, dtype=np.float64).ravel()
        row = row - row.mean()
        thumbs.append(row / max(1e-9, float(np.linalg.norm(row))))
    rows = np.stack(thumbs)
    alike = np.tril(rows @ rows.T, -1).max(1)
    return [int(number) for number in np.flatnonzero(alike <= ALIKE)]


def photographs() -> list[str]:
    """Shipped pictures that show no logo, to stand behind one."""
    lines = shipped("pictures/ATTRIBUTION.csv").decode().splitlines()[1:]
    files = [line.split(",")[0].strip('"') for line in lines]
    return sorted(file for file in files if not file.startswith("Corporation/"))


def draw(logos: Logos, number: int, picture: int, *, test: bool) -> Image.Image:
    """A picture of the logo of that number. Test pictures have other photographs behind them than those to learn from."""
    rng = random.Random(f"logo/{logos.names[number]}/{picture}/{test}")
    style = rng.choice(STYLES)
    brand = logos.colours[number]
    mark = {"black": BLACK, "white on brand": WHITE}.get(style, brand)
    tile = {"white on brand": brand, "brand on white": WHITE}.get(style)
    ground = _ground(rng, mark if tile is None else tile, test)
    side = round(rng.uniform(*SHARE) * SIZE)
    layer = _turned(_layer(logos.masks[number], mark, tile, side), rng)
    ground.paste(layer, _place(layer.width, rng), layer)
    return _photographed(ground, rng)


def _layer(mask: NDArray[np.uint8], mark: Colour, tile: Colour | None, side: int) -> Image.Image:
    """The mark, on its tile where it has one, `side` pixels wide."""
    layer = Image.new("RGBA", (side, side), (*mark, 0))
    if tile is not None:
        ImageDraw.Draw(layer).rounded_rectangle((0, 0, side - 1, side - 1), side // 8, (*tile, 255))
    inner = side if tile is None else round(0.72 * side)
    shape = Image.fromarray(mask).resize((inner, inner), Image.Resampling.BICUBIC)
    corner = (side - inner) // 2
    layer.paste(Image.new("RGBA", (inner, inner), (*mark, 255)), (corner, corner), shape)
    return layer


def _turned(layer: Image.Image, rng: random.Random) -> Image.Image:
    """In perspective, and turned."""
    side = layer.width
    corners: list[float] = []
    for x, y in ((0, 0), (0, side), (side, side), (side, 0)):
        corners += [x + rng.uniform(-WANDER, WANDER) * side / 2]
        corners += [y + rng.uniform(-WANDER, WANDER) * side / 2]
    layer = layer.transform((side, side), Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    return layer.rotate(rng.uniform(-TURN, TURN), Image.Resampling.BICUBIC, expand=True)


def _place(side: int, rng: random.Random) -> tuple[int, int]:
    """The upper left corner: within the frame where it fits, or off its edge."""
    room = SIZE - side
    place = [rng.randint(min(0, room), max(0, room)) for _ in range(2)]
    if rng.random() < OFF_EDGE:
        off = round(rng.uniform(0, FARTHEST_OFF) * side)
        place[rng.randrange(2)] = rng.choice((-off, room + off))
    return place[0], place[1]


def _ground(rng: random.Random, before: Colour, test: bool) -> Image.Image:
    """What lies behind: drawn again while it is too like what stands before it."""
    for _ in range(TRIES):
        ground = _drawn_ground(rng, test)
        mean = ground.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        assert isinstance(mean, tuple)
        if max(abs(a - b) for a, b in zip(mean, before, strict=True)) >= APART:
            break
    return ground


def _drawn_ground(rng: random.Random, test: bool) -> Image.Image:
    kind = rng.choice(GROUNDS)
    frame = (SIZE, SIZE)
    if kind == "white":
        return Image.new("RGB", frame, WHITE)
    if kind == "dark":
        return Image.new("RGB", frame, _any_colour(rng, 50))
    if kind == "colour":
        return Image.new("RGB", frame, _any_colour(rng, 255))
    if kind == "gradient":
        mix = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270))).resize(frame)
        first = Image.new("RGB", frame, _any_colour(rng, 255))
        return Image.composite(first, Image.new("RGB", frame, _any_colour(rng, 255)), mix)
    # Every second photograph lies behind test pictures alone.
    shown = open_shipped(rng.choice(photographs()[test::2])).convert("RGB")
    side = round(rng.uniform(0.5, 1) * min(shown.size))
    left = rng.randint(0, shown.width - side)
    top = rng.randint(0, shown.height - side)
    return shown.crop((left, top, left + side, top + side)).resize(frame)


def _any_colour(rng: random.Random, brightest: int) -> Colour:
    return rng.randint(0, brightest), rng.randint(0, brightest), rng.randint(0, brightest)


def _photographed(picture: Image.Image, rng: random.Random) -> Image.Image:
    """In other light, maybe blurred, and compressed."""
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(*LIGHT))
    if rng.random() < BLURRED:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=rng.randint(*QUALITY))
    return Image.open(buffer).convert("RGB")
