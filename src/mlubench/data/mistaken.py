"""Names a file that is no picture for what it is, by its first bytes: mostly something else was saved in its place."""

from typing import NamedTuple

# How many of the first bytes `name_of` looks at.
HEAD = 512


class Problem(NamedTuple):
    """Why a file cannot be used as a picture, as "is an AVIF", and what to do about it."""

    what: str
    do: str


_SAVE_AGAIN = "Save it as JPEG, PNG or WebP."
_FETCH_AGAIN = "Fetch it again."
# By what a file begins with.
_BEGINNINGS = {
    b"version https://git-lfs": Problem("is a Git LFS pointer", "Fetch it with `git lfs pull`."),
    b"\xff\xd8\xff": Problem("is a damaged JPEG", _FETCH_AGAIN),
    b"\x89PNG\r\n\x1a\n": Problem("is a damaged PNG", _FETCH_AGAIN),
    b"GIF8": Problem("is a GIF", _SAVE_AGAIN),
    b"BM": Problem("is a BMP", _SAVE_AGAIN),
    b"II*\0": Problem("is a TIFF", _SAVE_AGAIN),
    b"MM\0*": Problem("is a TIFF", _SAVE_AGAIN),
    b"8BPS": Problem("is a Photoshop file", _SAVE_AGAIN),
    b"%PDF": Problem("is a PDF", _SAVE_AGAIN),
    b"\xff\x0a": Problem("is a JPEG XL", _SAVE_AGAIN),
    b"\0\0\0\x0cJXL ": Problem("is a JPEG XL", _SAVE_AGAIN),
    b"\0\0\0\x0cjP  ": Problem("is a JPEG 2000", _SAVE_AGAIN),
    b"PK\x03\x04": Problem("is a ZIP archive", "Unpack it."),
    b"\x1f\x8b": Problem("is a gzip archive", "Unpack it."),
}
# By the brand behind `ftyp`, with which files of the MPEG family begin.
_BRANDS = {
    b"avif": "an AVIF",
    b"avis": "an AVIF",
    b"heic": "a HEIC",
    b"heix": "a HEIC",
    b"heim": "a HEIC",
    b"hevc": "a HEIC",
    b"mif1": "a HEIC",
    b"msf1": "a HEIC",
}


def name_of(data: bytes) -> Problem:
    """What a file with these first bytes is, where it is none of the formats that are taken."""
    if not data:
        return Problem("is empty", _FETCH_AGAIN)
    for beginning, problem in _BEGINNINGS.items():
        if data.startswith(beginning):
            return problem
    if data[4:8] == b"ftyp":
        return Problem(f"is {_BRANDS.get(data[8:12], 'a film')}", _SAVE_AGAIN)
    return _name_of_text(data[:HEAD].lower())


def _name_of_text(text: bytes) -> Problem:
    if b"<html" in text or b"<!doctype html" in text:
        return Problem("is an HTML page", "Fetch the picture that the page shows, or links to.")
    if b"annex/objects/" in text:
        return Problem("is a git-annex pointer", "Fetch it with `git annex get`.")
    if b"<svg" in text:
        return Problem("is an SVG", _SAVE_AGAIN)
    return Problem("is no JPEG, PNG or WebP", "Give a picture in one of these formats.")
