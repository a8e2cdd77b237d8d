"""The table of pictures: read as written, and errors that name the line."""

from pathlib import Path

import pytest

from mlubench.core.errors import DataError
from mlubench.data.picture_kinds import PICTURES, picture_table, read_kinds


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    text = picture_table(
        {"a/b.jpg": ("same-photo", "one"), 'c, "d".jpg': ("other-photo", "two, three")}
    )
    (tmp_path / PICTURES).write_text(text, encoding="utf-8")
    assert read_kinds(tmp_path) == {"a/b.jpg": "same-photo", 'c, "d".jpg': "other-photo"}


def test_without_a_table_nothing_is_said(tmp_path: Path) -> None:
    assert read_kinds(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not begin with the columns image,kind,source"),
        ("picture,kind,source\n", "does not begin with the columns"),
        ("image,kind,source\na.jpg,same-photo,x\nb.jpg,new,x\n", "line 3 is not image, kind"),
        ("image,kind,source\na.jpg\n", "line 2 is not image, kind and source"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / PICTURES).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=says):
        read_kinds(tmp_path)


def test_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / PICTURES).write_bytes("image,kind,source\n".encode("utf-16"))
    with pytest.raises(DataError, match="Save it as UTF-8"):
        read_kinds(tmp_path)
