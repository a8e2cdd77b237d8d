"""The one way to open a picture: as people see it, within one limit, and with an error that names the file.

What is done to the pixels is in `pixels.py`, which the builder's decoder shares.
"""

import base64
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.core.files import file_sha256
from mlubench.data.mistaken import HEAD, Problem
from mlubench.data.pixels import FORMATS, decode_problem, is_plain, plain_rgb, size_problem

# A larger file is refused unread: no photograph needs it.
MAX_BYTES = 256 * 2**20
MISSING = Problem("is missing", "Check the path.")


class UnusablePictureError(MlubenchError):
    """A picture that cannot be used, whatever is asked about it."""

    def __init__(self, path: Path, problem: Problem) -> None:
        super().__init__(f"picture {path} {problem.what}", problem.do)
        self.path = path
        self.problem = problem


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture with its head read and no pixel decoded, for whoever decodes less than all of it.

    Raises UnusablePictureError, also for what goes wrong inside the block: the file is broken further on.
    """
    _require_file(path)
    try:
        with Image.open(path, formats=FORMATS) as picture:
            problem = size_problem(picture.size)
            if problem is not None:
                raise UnusablePictureError(path, problem)
            yield picture
    except (MlubenchError, MemoryError):
        raise
    # Broken files make Pillow raise nearly anything.
    except Exception as error:
        raise UnusablePictureError(path, decode_problem(error, _head(path))) from error


def open_picture(path: Path) -> Image.Image:
    """The picture's first frame, upright, on white, in RGB. Raises UnusablePictureError."""
    with opened(path) as picture:
        return plain_rgb(picture)


def data_uri(path: Path, max_side: int) -> str:
    """The picture as a JPEG in a data URI, as endpoints take it; its longer side has at most `max_side` pixels.

    Raises UnusablePictureError.
    """
    picture = open_picture(path)
    picture.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    picture.save(buffer, format="jpeg", quality=88)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/jpeg;base64,{encoded}"


def try_decoding(path: Path) -> None:
    """Decode the whole picture and keep nothing of it. Raises UnusablePictureError."""
    with opened(path) as picture:
        # A JPEG is read to its end all the same, but decoded to an eighth: several times faster.
        picture.draft("RGB", (1, 1))
        picture.load()


def stamp(path: Path) -> tuple[int, int]:
    """Time and size of the file, which tell whether it is still the one that was read. Raises UnusablePictureError."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise UnusablePictureError(path, _absence(path, error)) from error
    return found.st_mtime_ns, found.st_size


def content_hash(path: Path) -> str:
    """What is kept of a picture's content is kept by this. Raises UnusablePictureError.

    It is the SHA-256 of the file. Pictures that are not plain have a mark behind it: once they were not turned upright,
    not laid on white and not scaled, and what was kept of them then must not be taken for what they are now.
    """
    with opened(path) as picture:
        mark = "" if is_plain(picture) else ".upright"
    return file_sha256(path) + mark


def _require_file(path: Path) -> None:
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise UnusablePictureError(path, _absence(path, error)) from error
    if stat.S_ISDIR(facts.st_mode):
        raise UnusablePictureError(path, Problem("is a folder", "Give a file."))
    if not stat.S_ISREG(facts.st_mode):  # a pipe would be waited for
        raise UnusablePictureError(path, Problem("is no plain file", "Give a file."))
    if facts.st_size > MAX_BYTES:
        what = f"has {facts.st_size:,} bytes, more than {MAX_BYTES:,}"
        raise UnusablePictureError(path, Problem(what, "Scale it down."))


def _absence(path: Path, error: OSError | ValueError) -> Problem:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if path.is_symlink():
            return Problem("is a link to a file that is not there", "Fetch the file itself.")
        return MISSING
    why = error.strerror if isinstance(error, OSError) else str(error)
    return Problem(f"cannot be opened: {why}", "Check its name and who may read it.")


def _head(path: Path) -> bytes:
    """The first bytes of a file that could be read a moment ago; none where it cannot be any more."""
    try:
        with path.open("rb") as handle:
            return handle.read(HEAD)
    except OSError:
        return b""
