"""The one way to open a picture: its first frame as RGB, within limits, or an error that names the file."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from mlubench.core.errors import MlubenchError

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 50_000_000


def open_picture(path: Path) -> Image.Image:
    """The picture's first frame as RGB. Raises MlubenchError naming the file when it cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise MlubenchError(f"{path} has more than {MAX_PIXELS:,} pixels", "Scale it down.")
            return picture.convert("RGB")
    except (
        OSError,
        UnidentifiedImageError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ) as error:
        raise MlubenchError(
            f"picture {path} cannot be read: {error}", "Run `mlubench data check` on the folder."
        ) from error


def stamp(path: Path) -> tuple[int, int]:
    """Time and size of the file, which tell whether it is still the one that was read. MlubenchError when it is gone."""
    try:
        found = path.stat()
    except OSError as error:
        raise MlubenchError(
            f"picture {path} cannot be read: {error}", "Run `mlubench data check` on the folder."
        ) from error
    return found.st_mtime_ns, found.st_size
