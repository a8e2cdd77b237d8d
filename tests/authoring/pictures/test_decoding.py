"""Strangers' pictures: bombs, broken ones and strange ones end in one reason each, and the worker goes on."""

import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from mlubench.authoring.pictures import decoding
from mlubench.authoring.pictures.decoding import Decoder, UnreadableFileError, read_plain_file
from mlubench.authoring.pictures.worker import difference_hash, plain_jpeg
from mlubench.authoring.spec import PicturesSpec
from mlubench.core.errors import MlubenchError
from support.builds import noise, png_bomb

LIMITS = PicturesSpec(max_pixels=1_000_000, max_bytes=1_000_000, max_side=64, seconds=5)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(LIMITS) as decoder:
        yield decoder


def opened(jpeg: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    return picture


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_format_becomes_a_plain_jpeg(decoder: Decoder, kind: str) -> None:
    report, jpeg = decoder.decode(noise(1, (100, 80), kind))
    assert (report["width"], report["height"]) == (64, 51)
    assert opened(jpeg).size == (64, 51)
    assert opened(jpeg).mode == "RGB"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>", "is an HTML page"),
        (b"GIF89a" + bytes(100), "is a GIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG"),
        (noise(1)[:400], "Truncated"),
        (noise(1)[:800], "truncated"),
        (noise(1, kind="PNG")[:-40], "cannot be decoded"),
        (noise(1, kind="WEBP")[:60], "cannot be decoded"),
        (png_bomb(1001), "has 1001 x 1001 pixels, more than 1,000,000"),
        (png_bomb(60_000), "pixels, more than 1,000,000"),
        (png_bomb(2**31 - 1), "pixels, more than 1,000,000"),
        (png_bomb(0), "is a damaged PNG"),
    ],
)
def test_what_is_no_picture_says_why(decoder: Decoder, data: bytes, why: str) -> None:
    report, jpeg = decoder.decode(data)
    assert jpeg == b""
    assert why in report["why"]
    assert decoder.decode(noise(2))[1]


def test_a_byte_bomb_in_a_text_chunk_is_refused_or_left_unread(decoder: Decoder) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 50_000_000, zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9)).save(buffer, "PNG", pnginfo=info)
    assert len(buffer.getvalue()) < 100_000
    report, jpeg = decoder.decode(buffer.getvalue())
    assert "cannot be decoded" in report.get("why", "") or len(jpeg) < 2000


def test_the_memory_limit_holds_and_the_next_picture_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within the pixels that are allowed here but beyond the memory: the limit of the process is the last wall."""
    big = png_bomb(8000, bytes(8000 * (8000 * 3 + 1)))
    assert len(big) < 300_000
    monkeypatch.setattr(decoding, "_BYTES_A_PIXEL", 0)
    monkeypatch.setattr(decoding, "_BASE_MEMORY", 150 * 2**20)
    with Decoder(PicturesSpec(max_pixels=100_000_000, max_bytes=1000, seconds=20)) as decoder:
        report, jpeg = decoder.decode(big)
        assert jpeg == b""
        assert "memory" in report["why"]
        assert decoder.decode(noise(3))[1]


@pytest.mark.timeout(60)
def test_a_worker_that_takes_too_long_is_stopped_and_replaced() -> None:
    with Decoder(LIMITS.model_copy(update={"seconds": 0.2})) as decoder:
        assert decoder.decode(noise(1))[1]
        process = decoder._process
        assert process
        os.kill(process.pid, signal.SIGSTOP)  # takes no CPU time, so only the clock can tell
        assert "took more than 0.2 s" in decoder.decode(noise(1))[0]["why"]
        assert decoder.decode(noise(1))[1]


def test_a_worker_that_is_killed_is_replaced() -> None:
    with Decoder(LIMITS) as decoder:
        whole = decoder.decode(noise(1))
        assert decoder._process
        decoder._process.kill()
        decoder._process.wait()
        assert "why" in decoder.decode(noise(1))[0]
        assert decoder.decode(noise(1)) == whole


def test_a_worker_that_cannot_start_is_no_fault_of_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding.sys, "executable", "/bin/false")
    with Decoder(LIMITS) as decoder, pytest.raises(MlubenchError, match="does not start"):
        decoder.decode(noise(1))


def test_nothing_of_the_old_file_is_left_but_the_picture(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90 degrees
    exif[0x010E] = "secret place"  # description
    old = noise(1, (40, 30), exif=exif, comment=b"secret words", icc_profile=b"secret profile" * 9)
    report, jpeg = decoder.decode(old)
    assert b"secret" in old
    assert b"secret" not in jpeg
    assert (report["width"], report["height"]) == (30, 40)


def test_what_cameras_write_is_a_jpeg_too(decoder: Decoder) -> None:
    """Two JPEGs in one file, which Pillow takes for a kind of its own."""
    buffer = io.BytesIO()
    first = Image.open(io.BytesIO(noise(1)))
    first.save(buffer, "MPO", save_all=True, append_images=[Image.open(io.BytesIO(noise(2)))])
    assert b"MPF" in buffer.getvalue()
    assert decoder.decode(buffer.getvalue())[0]["width"] == 40


def test_only_the_first_frame_counts_and_clear_becomes_white(decoder: Decoder) -> None:
    frames = [Image.new("RGBA", (20, 20), colour) for colour in ((0, 0, 0, 0), (0, 0, 255, 255))]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert opened(decoder.decode(buffer.getvalue())[1]).getpixel((10, 10)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGBA", "CMYK"])
def test_every_mode_can_be_had(decoder: Decoder, mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (20, 10)).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    assert opened(decoder.decode(buffer.getvalue())[1]).mode == "RGB"


def stored(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_what_is_kept_is_what_people_see(decoder: Decoder) -> None:
    """In the limited process, where nothing can be loaded any more: turned, on white, scaled from 16 bits."""
    seen = Image.new("L", (48, 64), 40)
    seen.paste(220, (0, 0, 24, 64))  # the left half is bright
    turned = seen.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    half = Image.new("L", seen.size, 0)
    half.paste(255, (0, 0, 24, 64))
    clear = Image.merge("LA", (Image.new("L", seen.size, 220), half))
    deep = seen.convert("I").point(lambda value: value * 257).convert("I;16")
    told_by_xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    expected = {
        "turned.png": (stored(turned, "PNG", exif=exif), (220, 40)),
        "turned.jpg": (stored(turned, "JPEG", exif=exif), (220, 40)),
        "turned.webp": (stored(turned.convert("RGB"), "WEBP", exif=exif), (220, 40)),
        "xmp.webp": (stored(turned.convert("RGB"), "WEBP", xmp=told_by_xmp), (220, 40)),
        "clear.png": (stored(clear, "PNG"), (220, 255)),
        "clear.webp": (stored(clear.convert("RGBA"), "WEBP", lossless=True), (220, 255)),
        "deep.png": (stored(deep, "PNG"), (220, 40)),
        "deep, one clear.png": (stored(deep, "PNG", transparency=40 * 257), (220, 255)),
        "one clear.png": (stored(seen, "PNG", transparency=40), (220, 255)),
    }
    for name, (data, (left, right)) in expected.items():
        report, jpeg = decoder.decode(data)
        assert (report.get("width"), report.get("height")) == (48, 64), (name, report)
        kept = opened(jpeg)
        for x, value in ((12, left), (36, right)):
            assert kept.getpixel((x, 32)) == pytest.approx((value,) * 3, abs=3), name


def test_a_strip_is_not_kept(decoder: Decoder) -> None:
    for size in ((4000, 10), (1, 500)):
        report, jpeg = decoder.decode(stored(Image.new("L", size), "PNG"))
        assert jpeg == b"" and "a strip thinner than 1 to 200" in report["why"]
    # Within the limit, and beyond it once it is scaled down to whole pixels.
    limit = stored(Image.new("L", (2000, 10)), "PNG")
    report, jpeg = plain_jpeg(limit, max_pixels=10**6, max_side=1024)
    assert jpeg == b"" and "has 1024 x 5 pixels, a strip" in report["why"]


def test_the_hash_is_near_for_the_same_picture_and_far_for_another() -> None:
    def bits(data: bytes) -> int:
        return int(difference_hash(opened(plain_jpeg(data, max_pixels=10**6, max_side=999)[1])), 16)

    same = bits(noise(1, (400, 300)))
    again = bits(noise(1, (200, 150), "WEBP"))
    assert (same ^ again).bit_count() <= 4
    assert (same ^ bits(noise(2, (400, 300)))).bit_count() > 16


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    assert read_plain_file(tmp_path / "a", 100) == b"x" * 100
    refused = {
        tmp_path / "link": "is a link",
        tmp_path / "pipe": "is no plain file",
        tmp_path: "is no plain file",
        tmp_path / "none": "cannot be opened: No such file or directory",
        Path("/dev/zero"): "is no plain file",
    }
    for path, why in refused.items():
        with pytest.raises(UnreadableFileError) as error:
            read_plain_file(path, 100)
        assert str(error.value) == why
    with pytest.raises(UnreadableFileError, match="has 100 bytes, more than 99"):
        read_plain_file(tmp_path / "a", 99)
