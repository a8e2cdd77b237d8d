"""Views of a picture: the same for the same seed, of the size asked for, and of what the picture shows."""

import random

import pytest
from PIL import Image, ImageStat

from mlubench.data.real.views import BLACK, WHITE, draw_view, whole_view


@pytest.fixture
def picture() -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (200, 100), (200, 0, 0))
    picture.paste((0, 0, 200), (100, 0, 200, 100))
    return picture


def test_the_whole_view_keeps_the_shape(picture: Image.Image) -> None:
    view = whole_view(picture, 40, BLACK)
    assert view.size == (40, 40)
    # Above and below the picture, which is twice as wide as high, lies the ground.
    assert view.getpixel((20, 2)) == BLACK
    assert view.getpixel((20, 37)) == BLACK
    assert view.getpixel((5, 20)) == (200, 0, 0)
    assert view.getpixel((35, 20)) == (0, 0, 200)


def test_a_view_is_drawn_by_its_seed(picture: Image.Image) -> None:
    def view(seed: int) -> bytes:
        return draw_view(picture, 32, WHITE, random.Random(seed), may_mirror=True).tobytes()

    assert view(1) == view(1)
    assert view(1) != view(2)


def test_what_is_written_is_never_mirrored(picture: Image.Image) -> None:
    mirrored = 0
    for seed in range(20):
        view = draw_view(picture, 32, WHITE, random.Random(seed), may_mirror=False)
        left = ImageStat.Stat(view.crop((2, 12, 10, 20))).mean
        assert left[0] > left[2]
        view = draw_view(picture, 32, WHITE, random.Random(seed), may_mirror=True)
        left = ImageStat.Stat(view.crop((2, 12, 10, 20))).mean
        mirrored += left[0] < left[2]
    assert 0 < mirrored < 20
