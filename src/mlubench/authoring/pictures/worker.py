"""The process that decodes strangers' pictures: little memory, little time, no files.

It is run as a script with its limits as JSON. On standard input and output it speaks in blocks: a
line with the number of bytes that follow, and those bytes. In come pictures. Out come READY and
then, for each picture, a JSON report and a JPEG, which is empty where there is none.

Only Pillow is imported, and the two files of `data` that import nothing else either.
"""

import io
import json
import resource
import sys
import warnings
from itertools import pairwise
from typing import BinaryIO, TypedDict

from PIL import (
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from mlubench.data.pixels import FORMATS, decode_problem, plain_rgb, size_problem

QUALITY = 92
READY = b"ready"
_HASH_SIDE = 8
# Named so that they are loaded before the limits forbid opening any file: TIFF reads EXIF, MPO what
# some cameras write.
_PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)


class PictureReport(TypedDict, total=False):
    """What there is to say of a picture: `why` it cannot be used, or the other three."""

    why: str
    width: int  # pixels
    height: int
    phash: str  # see difference_hash


class WorkerLimits(TypedDict):
    """What the builder hands to this process."""

    max_pixels: int
    max_side: int
    seconds: float  # of CPU time, for one picture
    memory: int  # bytes, of the whole process


def plain_jpeg(data: bytes, *, max_pixels: int, max_side: int) -> tuple[PictureReport, bytes]:
    """The first frame as an upright RGB JPEG without any metadata, and what there is to say of it.

    Its longer side is at most `max_side`. Where it cannot be used, the report says why and there is
    no JPEG.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            # Before a pixel is decoded: a small file can claim any size.
            problem = size_problem(picture.size, max_pixels)
            if problem is not None:
                return {"why": problem.what}, b""
            plain = plain_rgb(picture)
    except MemoryError:
        return {"why": "cannot be decoded: it needs more memory than a picture may"}, b""
    except Exception as error:  # noqa: BLE001  broken files make Pillow raise nearly anything
        return {"why": decode_problem(error, data).what}, b""
    plain.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    # A strip gets a little thinner where its shorter side is rounded down.
    problem = size_problem(plain.size, max_pixels)
    return ({"why": problem.what}, b"") if problem is not None else encoded(plain)


def encoded(clean: Image.Image) -> tuple[PictureReport, bytes]:
    """The report and the JPEG of an RGB picture that brings no metadata."""
    buffer = io.BytesIO()
    clean.save(buffer, "JPEG", quality=QUALITY)
    report: PictureReport = {
        "width": clean.width,
        "height": clean.height,
        "phash": difference_hash(clean),
    }
    return report, buffer.getvalue()


def difference_hash(picture: Image.Image) -> str:
    """64 bits, as 16 hex digits: whether each cell of a grid is lighter than its left neighbour.

    Eight rows of nine cells have eight pairs of neighbours each.
    Source: N. Krawetz, "Kind of like that" (dHash), 2013.
    """
    wide = _HASH_SIDE + 1
    grey = picture.convert("L").resize((wide, _HASH_SIDE), Image.Resampling.LANCZOS).tobytes()
    bits = ""
    for start in range(0, len(grey), wide):
        row = grey[start : start + wide]
        for left, right in pairwise(row):
            bits += "1" if right > left else "0"
    return f"{int(bits, 2):016x}"


def read_block(stream: BinaryIO) -> bytes | None:
    """The next block; None at the end of the stream."""
    head = stream.readline(32)
    if not head:
        return None
    size = int(head)
    data = stream.read(size)
    return data if len(data) == size else None


def write_block(stream: BinaryIO, data: bytes) -> None:
    stream.write(b"%d\n" % len(data) + data)
    stream.flush()


def _limit_process(memory: int) -> None:
    """From here on: no more memory than this, no core dump, no file written, no file opened."""
    if sys.platform != "darwin":  # which knows the limit but refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # the three streams are open; no more


def _allow_cpu(seconds: float) -> None:
    """Seconds for the next picture. The limit is of the whole process, so it moves along."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def main(limits: WorkerLimits) -> None:
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours, and it is looked at before a pixel is
    # Pillow warns of big pictures and odd metadata; neither makes one unusable.
    warnings.simplefilter("ignore")
    # Loads what Pillow loads late, while files can still be opened.
    plain_jpeg(_tiny_picture(), max_pixels=4, max_side=2)
    _limit_process(limits["memory"])
    write_block(sys.stdout.buffer, READY)
    while (data := read_block(sys.stdin.buffer)) is not None:
        _allow_cpu(limits["seconds"])
        report, jpeg = plain_jpeg(
            data, max_pixels=limits["max_pixels"], max_side=limits["max_side"]
        )
        write_block(sys.stdout.buffer, json.dumps(report).encode())
        write_block(sys.stdout.buffer, jpeg)


def _tiny_picture() -> bytes:
    """Two by two pixels of the format that takes the most code to read."""
    buffer = io.BytesIO()
    Image.new("RGBA", (2, 2)).save(buffer, "WEBP")
    return buffer.getvalue()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
