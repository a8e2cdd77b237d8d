"""How a picture may come so that a gate misses what it shows, though no human eye does: turned, or covered in part."""

import random
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageOps

WORDS = ("SALE", "hello", "look here", "No. 12", "new", "open", "sample", "page 3", "photo")
INKS = ("white", "black", "red", "yellow")
PAPERS = ("white", "black", "grey")

Change = Callable[[Image.Image, random.Random], Image.Image]


def upside_down(shown: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.flip(shown)


def turned_round(shown: Image.Image, rng: random.Random) -> Image.Image:
    return shown.transpose(Image.Transpose.ROTATE_180)


def turned_left(shown: Image.Image, rng: random.Random) -> Image.Image:
    return shown.transpose(Image.Transpose.ROTATE_90)


def turned_right(shown: Image.Image, rng: random.Random) -> Image.Image:
    return shown.transpose(Image.Transpose.ROTATE_270)


def written_over(shown: Image.Image, rng: random.Random) -> Image.Image:
    """Words across it, somewhere about the middle."""
    changed = shown.copy()
    size = max(8, round(shown.height * rng.uniform(0.12, 0.22)))
    top = round(shown.height * rng.uniform(0.25, 0.55))
    left = round(shown.width * rng.uniform(0.02, 0.15))
    _write(changed, (left, top), size, rng.choice(WORDS), rng.choice(INKS))
    return changed


def covered(shown: Image.Image, rng: random.Random) -> Image.Image:
    """A band with words across it, which hides a fifth or so."""
    changed = shown.copy()
    height = max(8, round(shown.height * rng.uniform(0.15, 0.25)))
    top = round(shown.height * rng.uniform(0.2, 0.6))
    band = (0, top, shown.width, top + height)
    ImageDraw.Draw(changed).rectangle(band, fill=rng.choice(PAPERS))
    size = max(8, round(0.8 * height))
    _write(changed, (shown.width // 10, top), size, rng.choice(WORDS), "red")
    return changed


def _write(picture: Image.Image, at: tuple[int, int], size: int, words: str, ink: str) -> None:
    ImageDraw.Draw(picture).text(at, words, fill=ink, font_size=size, stroke_width=1)


TURNED: tuple[Change, ...] = (upside_down, turned_round, turned_left, turned_right)
# What is written differs, so each of these comes twice.
COVERED: tuple[Change, ...] = (written_over, covered, written_over, covered)
GUISES = TURNED + COVERED


def in_guise(shown: Image.Image, name: str, number: int) -> Image.Image:
    """The picture in the guise of that number, from 0. The picture's `name` decides what is drawn by chance."""
    return GUISES[number](shown, random.Random(f"guise/{name}/{number}"))
