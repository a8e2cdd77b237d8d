"""What a picture looks like to people: upright, on white, red, green and blue of eight bits each.

Nothing but Pillow is imported, here and in `mistaken.py`: the builder decodes strangers' pictures by both, in a process
that may load nothing else (`authoring/pictures/worker.py`).
"""

from typing import cast

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from mlubench.data.mistaken import Problem, name_of

FORMATS = ("JPEG", "PNG", "WEBP")
# Beyond this a picture is refused before a pixel is decoded: a small file can claim any size.
MAX_PIXELS = 50_000_000
# Longer side to shorter. Nothing is to be seen in a thinner picture. Qwen's processors refuse it, and CLIP's, which
# scale the shorter side up to their own, would make gigabytes of it.
MAX_RATIO = 200
_LONGEST_MESSAGE = 120  # characters of an error of Pillow's
# Grey of 16 bits, whose upper byte counts.
_UPPER_BYTE = [value >> 8 for value in range(2**16)]
# The turn that brings a picture upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def size_problem(size: tuple[int, int], max_pixels: int = MAX_PIXELS) -> Problem | None:
    """Why a picture of this width and height is refused, if it is."""
    width, height = size
    if width * height > max_pixels:
        return Problem(f"has {width} x {height} pixels, more than {max_pixels:,}", "Scale it down.")
    if max(size) > MAX_RATIO * min(size):
        what = f"has {width} x {height} pixels, a strip thinner than 1 to {MAX_RATIO}"
        return Problem(what, "Cut out the part to look at.")
    return None


def decode_problem(error: Exception, data: bytes) -> Problem:
    """Why Pillow could not decode a file with these first bytes."""
    if isinstance(error, UnidentifiedImageError):  # its own text is the path, or an address
        return name_of(data)
    if isinstance(error, Image.DecompressionBombError):
        return Problem(f"has more than {MAX_PIXELS:,} pixels", "Scale it down.")
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror
    what = f"cannot be decoded: {message[:_LONGEST_MESSAGE]}"
    return Problem(what, "Fetch it again, or save it anew.")


def plain_rgb(picture: Image.Image) -> Image.Image:
    """The first frame as people see it, without metadata. Raises whatever Pillow raises for a broken file."""
    key = _clear_value(picture)
    picture.load()
    plain = _on_white(picture, key)
    turn = _TURNS.get(orientation(picture))
    if turn is not None:
        plain = plain.transpose(turn)
    # Pillow would write comments and colour profiles of the old file into a new one.
    plain.info.clear()
    return plain


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation from 1, upright, to 8; 1 where the picture does not say, or not legibly."""
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation, 1)
    # Metadata that nobody can read say nothing: the picture is as good as one without them. Broken ones make Pillow
    # raise nearly anything.
    except Exception:  # noqa: BLE001
        return 1
    return found if found in _TURNS else 1


def is_plain(picture: Image.Image) -> bool:
    """Whether a picture whose head is read is upright, opaque and of eight bits: Pillow's own conversion is enough."""
    deep = picture.mode.startswith("I") or picture.mode == "F"
    return not deep and not picture.has_transparency_data and orientation(picture) == 1


def _on_white(picture: Image.Image, key: int | tuple[int, ...] | None) -> Image.Image:
    """The loaded picture in RGB; what is transparent lets white through."""
    # Pillow converts all that is deeper than eight bits by cutting off, not by scaling.
    if picture.mode.startswith("I"):
        grey = picture.convert("I")
        return _over_white(grey.point(_UPPER_BYTE, "L"), _opaque(grey, key))
    if picture.mode == "F":
        return _scaled(picture).convert("RGB")
    if picture.mode == "La":  # premultiplied, which Pillow takes to RGB only by way of LA
        picture = picture.convert("LA")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    if key is not None:
        picture.info["transparency"] = key
    rgba = picture.convert("RGBA")
    return _over_white(rgba, rgba.getchannel("A"))


def _over_white(picture: Image.Image, alpha: Image.Image | None) -> Image.Image:
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture.convert("RGB"), mask=alpha)
    return white


def _opaque(grey: Image.Image, key: int | tuple[int, ...] | None) -> Image.Image | None:
    """The alpha channel of grey of 16 bits, of which one value may be clear."""
    if not isinstance(key, int):
        return None
    table = [255] * 2**16
    table[key] = 0
    return grey.point(table, "L")


def _scaled(picture: Image.Image) -> Image.Image:
    """Floating-point grey as eight bits. Its white is not told: it is the least usual one that nothing exceeds."""
    highest = cast("tuple[float, float]", picture.getextrema())[1]
    white = next((usual for usual in (1, 255) if highest <= usual), 65535)
    return picture.point(lambda value: value * (255 / white) + 0.5).convert("L")


def _clear_value(picture: Image.Image) -> int | tuple[int, ...] | None:
    """The one value of a PNG that is transparent (its tRNS), in the depth of the pixels that Pillow makes.

    Pillow scales the pixels but not this value. How deep the file is, it forgets once it has decoded.
    """
    key = picture.info.get("transparency")
    tiles = picture.tile if isinstance(picture, ImageFile.ImageFile) else []
    raw_mode = tiles[0].args if tiles else None
    if isinstance(key, int) and raw_mode == "L;2":
        return key * 85
    if isinstance(key, int) and raw_mode == "L;4":
        return key * 17
    if isinstance(key, tuple) and raw_mode == "RGB;16B":
        return tuple(value >> 8 for value in key)
    return key if isinstance(key, int | tuple) else None
