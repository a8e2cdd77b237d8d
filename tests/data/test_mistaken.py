"""A file that is nearly right is named for what it is, never as missing."""

from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.data.pictures import open_picture


def film(brand: bytes) -> bytes:
    return b"\0\0\0\x1cftyp" + brand + bytes(16)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:12ab\nsize 12345\n"
NEARLY = {
    b"": ("is empty", "Fetch it again"),
    POINTER: ("is a Git LFS pointer", "git lfs pull"),
    b"/" + b"annex/objects/MD5E-s12--ab.jpg\n": ("is a git-annex pointer", "git annex get"),
    b"<!DOCTYPE html><html><head>": ("is an HTML page", "the page shows"),
    b"\xef\xbb\xbf\n <HTML>": ("is an HTML page", "the page shows"),
    b'<?xml version="1.0"?>\n<svg xmlns=': ("is an SVG", "Save it as JPEG"),
    film(b"avif"): ("is an AVIF", "Save it as JPEG"),
    film(b"heic"): ("is a HEIC", "Save it as JPEG"),
    film(b"mif1"): ("is a HEIC", "Save it as JPEG"),
    film(b"isom"): ("is a film", "Save it as JPEG"),
    b"GIF89a" + bytes(20): ("is a GIF", "Save it as JPEG"),
    b"%PDF-1.7": ("is a PDF", "Save it as JPEG"),
    b"PK\x03\x04" + bytes(20): ("is a ZIP archive", "Unpack it"),
    b"\xff\xd8\xff\xe0": ("is a damaged JPEG", "Fetch it again"),
    b"\x89PNG\r\n\x1a\n": ("is a damaged PNG", "Fetch it again"),
    b"I am a teapot": ("is no JPEG, PNG or WebP", "Give a picture"),
}


@pytest.mark.parametrize("data", NEARLY)
def test_a_file_is_named_for_what_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    what, do = NEARLY[data]
    with pytest.raises(MlubenchError) as error:
        open_picture(path)
    assert error.value.what == f"picture {path} {what}"
    assert do in error.value.hint


@pytest.mark.parametrize("kind", ["AVIF", "BMP", "GIF", "TIFF"])
def test_files_that_pillow_writes_are_named_too(tmp_path: Path, kind: str) -> None:
    try:
        Image.new("RGB", (9, 9)).save(tmp_path / "x.jpg", kind)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {kind}")
    with pytest.raises(MlubenchError, match=f"x.jpg is an? {kind}"):
        open_picture(tmp_path / "x.jpg")


def test_missing_is_said_only_of_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    said = {
        "gone.jpg": "is missing",
        "folder.jpg/x.jpg": "is missing",
        "folder.jpg": "is a folder",
        "link.jpg": "is a link to a file that is not there",
        "loop.jpg": "cannot be opened: ",
        "x" * 999: "cannot be opened: ",
        "a\0b": "cannot be opened: ",
    }
    for name, problem in said.items():
        with pytest.raises(MlubenchError) as error:
            open_picture(tmp_path / name)
        assert error.value.what.startswith(f"picture {tmp_path / name} {problem}")
