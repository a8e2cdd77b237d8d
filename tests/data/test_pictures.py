"""A picture as endpoints take it."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.data.pictures import data_uri


@pytest.mark.parametrize(("max_side", "size"), [(20, (20, 10)), (100, (40, 20))])
def test_a_data_uri_holds_the_picture_made_smaller_but_never_larger(
    tmp_path: Path, max_side: int, size: tuple[int, int]
) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "wide.png")
    head, encoded = data_uri(tmp_path / "wide.png", max_side).split(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(encoded))).size == size


def test_a_data_uri_is_upright_and_on_white(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(tmp_path / "x.png", exif=exif)
    picture = Image.open(
        io.BytesIO(base64.b64decode(data_uri(tmp_path / "x.png", 99).split(",")[1]))
    )
    assert (picture.size, picture.getpixel((5, 5))) == ((20, 40), (255, 255, 255))


def test_a_data_uri_of_a_broken_picture_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(MlubenchError, match=r"broken\.png is no JPEG, PNG or WebP"):
        data_uri(tmp_path / "broken.png", 20)
