"""PNG files of any depth and colour type, written by hand: Pillow writes only some of them."""

import struct
import zlib

# Colour types of the format.
GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_row(width: int, depth: int, colour: int, row: bytes, clear: bytes = b"") -> bytes:
    """A PNG of one row of pixels; `clear` is the body of its tRNS."""
    head = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head)]
    if clear:
        parts.append(chunk(b"tRNS", clear))
    # The 0 in front of the row says that it is not filtered.
    parts += [chunk(b"IDAT", zlib.compress(b"\0" + row)), chunk(b"IEND", b"")]
    return b"".join(parts)
