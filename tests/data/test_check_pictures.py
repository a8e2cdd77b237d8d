"""A picture file may be anything, bombs included, and must only ever make one finding."""

import struct
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.data.check_pictures import broken_pictures, picture_problem
from mlubench.data.pictures import MAX_BYTES, MISSING, open_picture


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(side: int) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda old: b"", "is empty"),
        (lambda old: b"GIF89a" + bytes(50), "is a GIF"),
        (lambda old: old[: len(old) // 2], "cannot be decoded"),
        (lambda old: old[:-300] + bytes(100), "cannot be decoded"),
        (lambda old: bomb(11_000), "11000 x 11000 pixels"),
        (lambda old: bomb(7_072), "7072 x 7072 pixels, more than 50,000,000"),
        (lambda old: bomb(60_000), "has more than 50,000,000 pixels"),
    ],
)
def test_unreadable_pictures_are_found(
    tmp_path: Path, spoil: Callable[[bytes], bytes], message: str
) -> None:
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (40, 40), (1, 99, 0)).save(tmp_path / name)
    (tmp_path / "b.jpg").write_bytes(spoil((tmp_path / "a.jpg").read_bytes()))
    ((image, problem), (_, absent)) = broken_pictures(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    assert image == "b.jpg"
    assert message in problem
    assert absent == MISSING.what


def test_what_the_check_takes_can_be_opened(tmp_path: Path) -> None:
    """The check and the way in have one limit: 7071 x 7071 pixels are within it, a pixel more a side is not."""
    for side, allowed in ((7_071, True), (7_072, False)):
        path = tmp_path / f"{side}.png"
        Image.new("1", (side, side)).save(path)
        assert (picture_problem(path) is None) is allowed
        with nullcontext() if allowed else pytest.raises(MlubenchError, match="pixels, more than"):
            open_picture(path)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    assert "cannot be opened" in str(picture_problem(tmp_path / ("x" * 999)))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.jpg").open("wb") as handle:
        handle.truncate(MAX_BYTES + 1)
    assert "bytes, more than" in str(picture_problem(tmp_path / "x.jpg"))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_every_format_is_read_whatever_the_name(tmp_path: Path, kind: str) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "x.jpg", kind)
    assert picture_problem(tmp_path / "x.jpg") is None


@given(st.binary(max_size=300), st.integers(0, 700), st.integers(0, 30))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_picture_crashes_it(tmp_path: Path, noise: bytes, at: int, cut: int) -> None:
    Image.effect_noise((24, 24), 90).convert("RGB").save(tmp_path / "x.jpg")
    good = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(good[:at] + noise + good[at + cut :])
    assert isinstance(picture_problem(tmp_path / "x.jpg"), str | None)
