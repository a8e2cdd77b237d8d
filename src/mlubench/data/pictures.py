"""The one way to open a picture: which formats and how many pixels are taken, and an error that names the file.

Only the builder's decoder of strangers' pictures (`authoring/pictures/worker.py`) opens them otherwise: it is a process of
its own that may import nothing but Pillow.
"""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from mlubench.core.errors import MlubenchError

FORMATS = ("JPEG", "PNG", "WEBP")
# Beyond this a picture is refused before a pixel is decoded: a small file can claim any size. A photograph has at most
# about 50 million.
MAX_PIXELS = 50_000_000
# What Pillow raises for broken files: a SyntaxError is a broken chunk inside a PNG.
BROKEN = (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError)


@contextmanager
def opened(path: Path, formats: tuple[str, ...] = FORMATS) -> Iterator[Image.Image]:
    """The picture with its head read and no pixel decoded, for whoever decodes less than all of it.

    Raises MlubenchError above `MAX_PIXELS`, else whatever Pillow raises, which for broken files may be nearly anything.
    """
    with Image.open(path, formats=formats) as picture:
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise MlubenchError(
                f"{path} has {width} x {height} pixels, more than {MAX_PIXELS:,}", "Scale it down."
            )
        yield picture


def open_picture(path: Path) -> Image.Image:
    """The picture's first frame as RGB. Raises MlubenchError naming the file when it cannot be read."""
    with _errors_named(path), opened(path) as picture:
        return picture.convert("RGB")


def data_uri(path: Path, max_side: int) -> str:
    """The picture as a JPEG in a data URI, as endpoints take it; its longer side has at most `max_side` pixels.

    Raises MlubenchError naming the file when it cannot be read.
    """
    picture = open_picture(path)
    picture.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    picture.save(buffer, format="jpeg", quality=88)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/jpeg;base64,{encoded}"


def try_decoding(path: Path) -> None:
    """Decode the whole picture and keep nothing of it. Raises what `opened` raises."""
    with opened(path) as picture:
        # A JPEG is read to its end all the same, but decoded to an eighth: several times faster.
        picture.draft("RGB", (1, 1))
        picture.load()


def stamp(path: Path) -> tuple[int, int]:
    """Time and size of the file, which tell whether it is still the one that was read. MlubenchError when it is gone."""
    with _errors_named(path):
        found = path.stat()
    return found.st_mtime_ns, found.st_size


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise MlubenchError(
            f"picture {path} cannot be read: {error}", "Run `mlubench data check` on the folder."
        ) from error
