"""Whether the pictures that the records name are there and can be decoded, whatever the files hold."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.spelling import path_below
from mlubench.data.pictures import FORMATS, try_decoding
from mlubench.data.records import short

# A larger file is refused unread: no photograph needs it.
MAX_BYTES = 256 * 2**20

MISSING = "is missing"
_WORKERS = 4
_LONGEST_MESSAGE = 120  # characters of an error of Pillow's


def picture_problem(path: Path) -> str | None:
    """What keeps a picture from being used: `MISSING`, or why it cannot be decoded. None: nothing."""
    try:
        if not path.is_file():
            return "is no plain file" if path.exists() else MISSING
        size = path.stat().st_size
        if size > MAX_BYTES:
            return f"has {size} bytes, more than {MAX_BYTES}"
    except (OSError, ValueError) as error:  # a name that this file system cannot hold
        return f"cannot be opened: {_one_line(error)}"
    return _decode_problem(path)


def broken_pictures(root: Path, images: Sequence[str]) -> list[tuple[str, str]]:
    """(image, problem) of every picture below `root` that has one, in the order given."""
    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        # Pillow warns of big pictures and odd metadata; neither makes one unusable.
        warnings.simplefilter("ignore")
        problems = list(pool.map(lambda image: picture_problem(path_below(root, image)), images))
    return [(image, problem) for image, problem in zip(images, problems, strict=True) if problem]


def _decode_problem(path: Path) -> str | None:
    try:
        try_decoding(path)
    except MlubenchError as error:  # too many pixels; the finding names the file already
        return error.what.removeprefix(f"{path} ")
    except Exception as error:  # noqa: BLE001  broken files make Pillow raise nearly anything
        return f"cannot be decoded: {_one_line(error)}"
    return None


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if type(error).__name__ == "UnidentifiedImageError":  # its own text is the whole path
        return f"it is no {', '.join(FORMATS)}"
    message = " ".join(str(error).split()) or type(error).__name__
    return short(message, _LONGEST_MESSAGE).strip("'\"")
