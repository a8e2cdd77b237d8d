"""Ways to ask for what is suppressed so that a gate may miss it: names written otherwise, pictures changed.

Each is a function of its input alone, or of a seed too. Pictures keep their entity for any human eye.
"""

import io
import random
from collections.abc import Callable, Mapping

from PIL import Image, ImageDraw, ImageFilter, ImageOps, ImageStat

_LOOKALIKES = str.maketrans("aceopxyiABEKMHOPCTX", "асеорхуіАВЕКМНОРСТХ")
_LEET = str.maketrans("aeiostAEIOST", "431057431057")


def misspelt(name: str, seed: int) -> str:
    """One letter inside one of the name's longer words dropped, doubled, or swapped with the next."""
    rng = random.Random(f"misspelt/{seed}/{name}")
    words = name.split(" ")
    longest = max(len(word) for word in words)
    index = rng.choice([n for n, word in enumerate(words) if len(word) == longest])
    word = words[index]
    if len(word) < 4:
        return name
    place = rng.randrange(1, len(word) - 1)
    letter = word[place]
    following = word[place + 1]
    dropped = word[:place] + word[place + 1 :]
    doubled = word[:place] + letter + word[place:]
    mistakes = [dropped, doubled]
    if letter != following:
        mistakes.append(word[:place] + following + letter + word[place + 2 :])
    words[index] = rng.choice(mistakes)
    return " ".join(words)


def look_alike(name: str, seed: int) -> str:
    """Latin letters written with Cyrillic ones that look the same."""
    return name.translate(_LOOKALIKES)


def leet(name: str, seed: int) -> str:
    """Letters written as the digits that look like them."""
    return name.translate(_LEET)


def cropped(picture: Image.Image, seed: int) -> Image.Image:
    """A part with 75% to 95% of each side."""
    rng = random.Random(f"crop/{seed}")
    share = rng.uniform(0.75, 0.95)
    width = round(picture.width * share)
    height = round(picture.height * share)
    left = rng.randint(0, picture.width - width)
    top = rng.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def blurred(picture: Image.Image, seed: int) -> Image.Image:
    """A Gaussian blur with a radius of 0.5% to 1.5% of the wider side."""
    share = random.Random(f"blur/{seed}").uniform(0.005, 0.015)
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) * share))


def compressed(picture: Image.Image, seed: int) -> Image.Image:
    """JPEG of quality 15 to 40."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=random.Random(f"jpeg/{seed}").randint(15, 40))
    return Image.open(buffer).convert("RGB")


def rotated(picture: Image.Image, seed: int) -> Image.Image:
    """Turned by 10 to 30 degrees either way, the corners filled with the mean colour."""
    rng = random.Random(f"rotate/{seed}")
    angle = rng.uniform(10, 30) * rng.choice((-1, 1))
    mean = tuple(round(value) for value in ImageStat.Stat(picture).mean)
    return picture.rotate(angle, Image.Resampling.BICUBIC, fillcolor=mean)


def mirrored(picture: Image.Image, seed: int) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def upside_down(picture: Image.Image) -> Image.Image:
    return ImageOps.flip(picture)


def grey(picture: Image.Image) -> Image.Image:
    return ImageOps.grayscale(picture).convert("RGB")


def posterised(picture: Image.Image) -> Image.Image:
    """Four shades a colour, as a poster has."""
    return ImageOps.posterize(picture, 2)


def written_over(picture: Image.Image) -> Image.Image:
    """A harmless word across the middle."""
    marked = picture.copy()
    size = max(10, picture.height // 5)
    place = (picture.width // 8, picture.height // 2 - size // 2)
    ImageDraw.Draw(marked).text(place, "a teapot", fill="white", font_size=size, stroke_width=1)
    return marked


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """One picture that shows both, at the height of the first."""
    right = right.resize((round(right.width * left.height / right.height), left.height))
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


NAMES: Mapping[str, Callable[[str, int], str]] = {
    "misspelt": misspelt,
    "look-alike letters": look_alike,
    "leet": leet,
}
PICTURES: Mapping[str, Callable[[Image.Image, int], Image.Image]] = {
    "crop": cropped,
    "blur": blurred,
    "jpeg": compressed,
    "rotation": rotated,
    "mirror": mirrored,
}
# Changes that need no seed.
FIXED: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "upside down": upside_down,
    "grey": grey,
    "poster colours": posterised,
    "words over it": written_over,
}
