"""Every mode of a picture against values worked out by hand: upright, on white, eight bits a colour."""

import io
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mlubench.authoring.pictures.worker import plain_jpeg
from mlubench.data.pictures import content_hash, open_picture
from mlubench.data.pixels import FORMATS, orientation, plain_rgb, size_problem
from support.png import GREY, GREY_ALPHA, RGB, RGB_ALPHA, png_row

Pixel = tuple[int, int, int]
WHITE = (255, 255, 255)
# Half of red 200, green 100, blue 0 lies on half of white: (200 * 128 + 255 * 127) / 255 = 227.4, and so on.
HALF = (227, 177, 127)


def pixels(picture: Image.Image) -> list[Pixel]:
    """Row by row."""
    data = picture.tobytes()
    return [(data[n], data[n + 1], data[n + 2]) for n in range(0, len(data), 3)]


def two(mode: str, first: object, second: object, **info: object) -> Image.Image:
    """Two pixels side by side."""
    picture = Image.new(mode, (2, 1))
    picture.putpixel((0, 0), first)
    picture.putpixel((1, 0), second)
    picture.info.update(info)
    return picture


def palette(mode: str, **info: object) -> Image.Image:
    picture = two("P", 0, 1, **info)
    picture.putpalette([200, 100, 0, 7, 8, 9])
    if mode == "PA":
        picture = picture.convert("PA")
        picture.putalpha(Image.frombytes("L", (2, 1), bytes([128, 0])))
    return picture


def sixteen(mode: str) -> Image.Image:
    order = "big" if mode.endswith("B") else "little"
    data = (0x12FF).to_bytes(2, order) + (0xFF00).to_bytes(2, order)
    return Image.frombytes(mode, (2, 1), data)


# Every mode of Pillow, two pixels of it, and what people see.
MODES: dict[str, tuple[Callable[[], Image.Image], list[Pixel]]] = {
    "1": (lambda: two("1", 0, 255), [(0, 0, 0), WHITE]),
    "L": (lambda: two("L", 7, 200), [(7, 7, 7), (200, 200, 200)]),
    "P": (lambda: palette("P"), [(200, 100, 0), (7, 8, 9)]),
    "P one clear": (lambda: palette("P", transparency=1), [(200, 100, 0), WHITE]),
    "P half": (lambda: palette("P", transparency=bytes([128, 0])), [HALF, WHITE]),
    "PA": (lambda: palette("PA"), [HALF, WHITE]),
    "RGB": (lambda: two("RGB", (1, 2, 3), (4, 5, 6)), [(1, 2, 3), (4, 5, 6)]),
    "RGBX": (lambda: two("RGBX", (1, 2, 3, 0), (4, 5, 6, 9)), [(1, 2, 3), (4, 5, 6)]),
    "RGBA": (lambda: two("RGBA", (200, 100, 0, 128), (9, 9, 9, 0)), [HALF, WHITE]),
    # The colour is stored with its alpha multiplied in: 100 of 128 is 199 of 255.
    "RGBa": (lambda: two("RGBa", (100, 50, 0, 128), (0, 0, 0, 0)), [(227, 177, 127), WHITE]),
    "LA": (lambda: two("LA", (200, 128), (9, 0)), [(227, 227, 227), WHITE]),
    "La": (lambda: two("La", (100, 128), (0, 0)), [(227, 227, 227), WHITE]),
    "CMYK": (lambda: two("CMYK", (0, 255, 0, 0), (0, 0, 0, 255)), [(255, 0, 255), (0, 0, 0)]),
    "YCbCr": (lambda: two("YCbCr", (9, 128, 128), (255, 128, 128)), [(9, 9, 9), WHITE]),
    "HSV": (lambda: two("HSV", (0, 255, 255), (0, 0, 77)), [(255, 0, 0), (77, 77, 77)]),
    "I": (lambda: two("I", 0x12FF, 0xFF00), [(18, 18, 18), WHITE]),
    "I;16": (lambda: sixteen("I;16"), [(18, 18, 18), WHITE]),
    "I;16L": (lambda: sixteen("I;16L"), [(18, 18, 18), WHITE]),
    "I;16B": (lambda: sixteen("I;16B"), [(18, 18, 18), WHITE]),
    "I;16N": (lambda: sixteen("I;16N"), [(18, 18, 18), WHITE]),
    "F to 1": (lambda: two("F", 0.5, 1.0), [(128, 128, 128), WHITE]),
    "F to 255": (lambda: two("F", 17.0, 255.0), [(17, 17, 17), WHITE]),
    "F to 65535": (lambda: two("F", 4626.0, 65535.0), [(18, 18, 18), WHITE]),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_of_pillow_is_what_people_see(name: str) -> None:
    make, expected = MODES[name]
    plain = plain_rgb(make())
    assert (plain.mode, plain.size) == ("RGB", (2, 1))
    assert pixels(plain) == expected


def test_white_and_black_of_lab_are_so_within_a_step() -> None:
    """No accepted format has it; Pillow goes there by way of a colour profile, which rounds."""
    black, white = pixels(plain_rgb(two("LAB", (0, 128, 128), (255, 128, 128))))
    assert max(black) <= 1 and min(white) >= 254


# A file, and what people see in it: what Pillow itself cannot write, or reads in a way of its own.
DEEP = struct.pack(">HH", 0x12FF, 0xFF00)
FILES: dict[str, tuple[bytes, list[Pixel]]] = {
    "grey of 16 bits": (png_row(2, 16, GREY, DEEP), [(18, 18, 18), WHITE]),
    "grey of 16 bits, one clear": (
        png_row(2, 16, GREY, DEEP, struct.pack(">H", 0x12FF)),
        [WHITE, WHITE],
    ),
    "grey and alpha of 16 bits": (
        png_row(2, 16, GREY_ALPHA, struct.pack(">4H", 0x12FF, 0xFFFF, 0x12FF, 0)),
        [(18, 18, 18), WHITE],
    ),
    "colour of 16 bits": (
        png_row(2, 16, RGB, struct.pack(">6H", 0x1200, 0x1300, 0x1400, 0, 0, 0)),
        [(18, 19, 20), (0, 0, 0)],
    ),
    "colour of 16 bits, one clear": (
        png_row(
            2,
            16,
            RGB,
            struct.pack(">6H", 0x1200, 0x1300, 0x1400, 0, 0, 0),
            struct.pack(">3H", 0x1200, 0x1300, 0x1400),
        ),
        [WHITE, (0, 0, 0)],
    ),
    "colour and alpha of 16 bits": (
        png_row(2, 16, RGB_ALPHA, struct.pack(">8H", 0x1200, 0, 0, 0xFFFF, 0x1200, 0, 0, 0)),
        [(18, 0, 0), WHITE],
    ),
    "grey, one clear": (png_row(2, 8, GREY, b"\x07\x09", b"\0\x07"), [WHITE, (9, 9, 9)]),
    "colour, one clear": (
        png_row(2, 8, RGB, b"\1\2\3\1\2\4", b"\0\1\0\2\0\3"),
        [WHITE, (1, 2, 4)],
    ),
    # Of four greys (0, 85, 170, 255) the second is clear.
    "grey of 2 bits, one clear": (
        png_row(2, 2, GREY, b"\x60", b"\0\x01"),
        [WHITE, (170, 170, 170)],
    ),
    "grey of 4 bits, one clear": (
        png_row(2, 4, GREY, b"\x12", b"\0\x01"),
        [WHITE, (34, 34, 34)],
    ),
    "black and white, black clear": (png_row(2, 1, GREY, b"\x40", b"\0\0"), [WHITE, WHITE]),
}


@pytest.mark.parametrize("name", FILES)
def test_every_depth_of_png_is_what_people_see(tmp_path: Path, name: str) -> None:
    data, expected = FILES[name]
    (tmp_path / "x.png").write_bytes(data)
    assert pixels(open_picture(tmp_path / "x.png")) == expected


CORNERS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250), (250, 0, 250)]


def corners() -> Image.Image:
    """Two columns of three patches, each of another colour and large enough for a JPEG to keep it."""
    picture = Image.new("RGB", (2, 3))
    for n, colour in enumerate(CORNERS):
        picture.putpixel((n % 2, n // 2), colour)
    return picture.resize((64, 96), Image.Resampling.NEAREST)


def colours(picture: Image.Image) -> list[Pixel]:
    """The middle of each patch of `corners`, as far as a lossy format keeps it."""
    assert picture.size == (64, 96)
    found = []
    for n in range(6):
        pixel = picture.getpixel((16 + 32 * (n % 2), 16 + 32 * (n // 2)))
        found.append(tuple(0 if value < 128 else 250 for value in pixel))
    return found


# How a camera held so would have stored the upright picture.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("turned", STORED)
def test_every_orientation_of_every_format_is_upright(
    tmp_path: Path, kind: str, turned: int
) -> None:
    how = STORED[turned]
    stored = corners() if how is None else corners().transpose(how)
    exif = Image.Exif()
    exif[0x0112] = turned
    stored.save(tmp_path / "x", kind, exif=exif)
    assert colours(open_picture(tmp_path / "x")) == CORNERS
    _, jpeg = plain_jpeg((tmp_path / "x").read_bytes(), max_pixels=10**6, max_side=999)
    assert colours(Image.open(io.BytesIO(jpeg))) == CORNERS


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b""])
@pytest.mark.filterwarnings("ignore")
def test_an_orientation_that_nobody_can_read_turns_nothing(tmp_path: Path, exif: bytes) -> None:
    corners().save(tmp_path / "x", "WEBP", exif=exif, lossless=True)
    assert colours(open_picture(tmp_path / "x")) == CORNERS
    exif_of_nine = Image.Exif()
    exif_of_nine[0x0112] = 9
    corners().save(tmp_path / "x", "PNG", exif=exif_of_nine)
    with Image.open(tmp_path / "x") as picture:
        assert orientation(picture) == 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_lies_under_full_transparency_is_never_seen(tmp_path: Path, kind: str) -> None:
    """Black there or anything else: the model sees what the same picture on white shows."""
    alpha = Image.new("L", (64, 96), 0)
    alpha.paste(255, (16, 16, 48, 80))
    shown = []
    for hidden in ("black", "green"):
        picture = corners()
        background = Image.new("RGB", picture.size, hidden)
        background.paste(picture, mask=alpha)
        background.putalpha(alpha)
        background.save(tmp_path / hidden, kind, lossless=True, exact=True)
        shown.append(open_picture(tmp_path / hidden).tobytes())
    flat = Image.new("RGB", (64, 96), "white")
    flat.paste(corners(), mask=alpha)
    assert shown == [flat.tobytes(), flat.tobytes()]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_only_the_first_frame_counts(tmp_path: Path, kind: str) -> None:
    frames = [corners(), Image.new("RGB", (64, 96), "white")]
    frames[0].save(tmp_path / "x", kind, save_all=True, append_images=frames[1:], lossless=True)
    assert colours(open_picture(tmp_path / "x")) == CORNERS


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    corners().convert("CMYK").save(tmp_path / "x", "JPEG", quality=95)
    assert colours(open_picture(tmp_path / "x")) == CORNERS


def test_nothing_of_the_metadata_is_left() -> None:
    picture = corners()
    picture.info.update(comment=b"secret", icc_profile=b"secret", dpi=(1, 1))
    assert plain_rgb(picture).info == {}


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        ((2000, 10), None),
        ((1, 1), None),
        ((500, 3), None),
        ((7071, 7071), None),
        ((2001, 10), "has 2001 x 10 pixels, a strip thinner than 1 to 200"),
        ((1, 201), "has 1 x 201 pixels, a strip thinner than 1 to 200"),
        ((7072, 7072), "has 7072 x 7072 pixels, more than 50,000,000"),
    ],
)
def test_the_limits_of_size(size: tuple[int, int], problem: str | None) -> None:
    found = size_problem(size)
    assert (found and found.what) == problem


def test_what_was_kept_of_a_picture_that_was_read_otherwise_is_not_taken(tmp_path: Path) -> None:
    """Its hash has a mark; that of a plain picture is what it always was."""
    files = {
        "plain.png": two("RGB", (1, 2, 3), (4, 5, 6)),
        "grey.png": two("L", 1, 2),
        "palette.png": palette("P"),
        "clear.png": two("RGBA", (1, 2, 3, 4), (4, 5, 6, 7)),
        "deep.png": sixteen("I;16"),
    }
    for name, picture in files.items():
        picture.save(tmp_path / name)
    exif = Image.Exif()
    exif[0x0112] = 6
    files["plain.png"].save(tmp_path / "turned.png", exif=exif)
    lengths = {path.name: len(content_hash(path)) for path in tmp_path.iterdir()}
    marked = {name for name, length in lengths.items() if length != 64}
    assert marked == {"clear.png", "deep.png", "turned.png"}


def test_the_decoder_of_strangers_pictures_loads_nothing_but_pillow() -> None:
    code = (
        "import sys, mlubench.authoring.pictures.worker; "
        "print([m for m in ('numpy', 'pydantic', 'yaml', 'torch', 'mlubench.core.files') if m in sys.modules])"
    )
    # As the builder starts it, so that the two files of `data` are found from there.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
