"""The process that decodes strangers' pictures: little memory, little time, no files. It imports nothing but Pillow.

Run as a script with the limits as JSON. On standard input and output, again and again: a line with the number of bytes
that follow, and those bytes. In come pictures; out come READY and then, for each, a JSON report and a JPEG, empty where
there is none.
"""

import io
import json
import resource
import sys
import warnings
from itertools import pairwise
from typing import Any, BinaryIO

from PIL import (
    Image,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

FORMATS = ("JPEG", "PNG", "WEBP")
QUALITY = 92
READY = b"ready"
_HASH_SIDE = 8
# Named so that they are loaded before no file can be opened any more: TIFF reads EXIF, MPO what some cameras write.
_PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)


def plain(data: bytes, *, max_pixels: int, max_side: int) -> tuple[dict[str, Any], bytes]:
    """The first frame as an upright RGB JPEG without any metadata, and what there is to say of it.

    Its longer side is at most `max_side`; transparency becomes white. Raises ValueError above `max_pixels`, and whatever
    Pillow raises for what is no whole JPEG, PNG or WebP.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        width, height = picture.size
        if width * height > max_pixels:
            raise ValueError(f"it has {width} x {height} pixels, more than {max_pixels}")
        picture.load()
        upright = ImageOps.exif_transpose(picture)
    upright.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    # A new picture, since Pillow would carry comments and colour profiles of the old one along.
    clean = Image.new("RGB", upright.size, "white")
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        clean.paste(upright, mask=upright.getchannel("A"))
    else:
        clean.paste(upright.convert("RGB"))
    return finished(clean)


def finished(clean: Image.Image) -> tuple[dict[str, Any], bytes]:
    """An RGB picture that brings no metadata, as ({width, height, phash}, JPEG)."""
    buffer = io.BytesIO()
    clean.save(buffer, "JPEG", quality=QUALITY)
    return {
        "width": clean.width,
        "height": clean.height,
        "phash": difference_hash(clean),
    }, buffer.getvalue()


def difference_hash(picture: Image.Image) -> str:
    """64 bits, as 16 hex digits: whether each cell of an 8 x 9 grid is lighter than its left neighbour (dHash).

    Source: N. Krawetz, "Kind of like that", 2013.
    """
    wide = _HASH_SIDE + 1
    grey = picture.convert("L").resize((wide, _HASH_SIDE), Image.Resampling.LANCZOS).tobytes()
    rows = (grey[start : start + wide] for start in range(0, len(grey), wide))
    bits = "".join(str(int(right > left)) for row in rows for left, right in pairwise(row))
    return f"{int(bits, 2):016x}"


def read_block(stream: BinaryIO) -> bytes | None:
    """The next block; None at the end of the stream."""
    head = stream.readline(32)
    if not head:
        return None
    data = stream.read(size := int(head))
    return data if len(data) == size else None


def write_block(stream: BinaryIO, data: bytes) -> None:
    stream.write(b"%d\n" % len(data) + data)
    stream.flush()


def _limit(memory: int) -> None:
    if sys.platform != "darwin":  # which knows the limit but refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # the three streams are open; no more


def _allow_cpu(seconds: float) -> None:
    """Seconds for the next picture: the limit is of the whole process, so it moves along."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _line(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":  # its own text is an address in memory
        return f"it is no {', '.join(FORMATS)}"
    if isinstance(error, MemoryError):
        return "it needs more memory than a picture may"
    return " ".join(str(error).split())[:160] or type(error).__name__


def main(limits: dict[str, Any]) -> None:
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours, and it is looked at before a pixel is
    warnings.simplefilter(
        "ignore"
    )  # Pillow warns of big pictures and odd metadata; neither makes one unusable
    plain(_warm(), max_pixels=4, max_side=2)  # loads what Pillow loads late
    _limit(limits["memory"])
    write_block(sys.stdout.buffer, READY)
    while (data := read_block(sys.stdin.buffer)) is not None:
        _allow_cpu(limits["seconds"])
        try:
            report, jpeg = plain(data, max_pixels=limits["max_pixels"], max_side=limits["max_side"])
        except Exception as error:  # noqa: BLE001  broken files make Pillow raise nearly anything
            report, jpeg = {"why": f"cannot be decoded: {_line(error)}"}, b""
        write_block(sys.stdout.buffer, json.dumps(report).encode())
        write_block(sys.stdout.buffer, jpeg)


def _warm() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (2, 2)).save(buffer, "WEBP")
    return buffer.getvalue()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
