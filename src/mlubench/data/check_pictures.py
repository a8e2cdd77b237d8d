"""Whether the pictures that the records name are there and can be decoded, whatever the files hold."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlubench.data.records import short

# Beyond these a file is refused unread: a photograph needs neither, and a bomb would take the machine's memory.
MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 2**20
FORMATS = ("JPEG", "PNG", "WEBP")

MISSING = "is missing"
_WORKERS = 4


def picture_problem(path: Path) -> str | None:
    """What keeps a picture from being used: `MISSING`, or why it cannot be decoded. None: nothing."""
    try:
        if not path.is_file():
            return "is no plain file" if path.exists() else MISSING
        if (size := path.stat().st_size) > MAX_BYTES:
            return f"has {size} bytes, more than {MAX_BYTES}"
        return _decode_problem(path)
    except (OSError, ValueError) as error:  # a name that this file system cannot hold
        return f"cannot be opened: {_line(error)}"


def broken_pictures(root: Path, images: Sequence[str]) -> list[tuple[str, str]]:
    """(image, problem) of every picture below `root` that has one, in the order given."""
    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        warnings.simplefilter(
            "ignore"
        )  # Pillow warns of big pictures and odd metadata; neither makes one unusable
        found = pool.map(lambda image: picture_problem(root / image), images)
        return [(image, problem) for image, problem in zip(images, found, strict=True) if problem]


def _decode_problem(path: Path) -> str | None:
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                return f"has {width} x {height} pixels, more than {MAX_PIXELS}"
            # A JPEG is read to its end all the same, but decoded to an eighth: several times faster.
            picture.draft("RGB", (1, 1))
            picture.load()
    except Exception as error:  # noqa: BLE001  broken files make Pillow raise nearly anything
        return f"cannot be decoded: {_line(error)}"
    return None


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if type(error).__name__ == "UnidentifiedImageError":  # its own text is the whole path
        return f"it is no {', '.join(FORMATS)}"
    return short(" ".join(str(error).split()) or type(error).__name__, 120).strip("'\"")
