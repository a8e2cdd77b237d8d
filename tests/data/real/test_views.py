"""Views of a picture: the same for the same seed, of the size asked for, and of what the picture shows."""

import random
from collections.abc import Callable
from statistics import pstdev

import pytest
from PIL import Image, ImageStat

from mlubench.data.real.views import BLACK, WHITE, draw_view, varied_view, whole_view


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


def test_a_drawing_is_varied_in_its_colours_and_never_mirrored() -> None:
    # A dark bar on the left of a light ground.
    drawing = Image.new("RGB", (100, 100), (250, 250, 250))
    drawing.paste((20, 40, 200), (25, 20, 40, 80))
    darker_grounds = 0
    for seed in range(30):
        view = varied_view(drawing, 40, "Corporation", random.Random(seed)).convert("L")
        assert view.size == (40, 40)
        left = ImageStat.Stat(view.crop((8, 12, 20, 28))).stddev[0]
        right = ImageStat.Stat(view.crop((24, 12, 34, 28))).stddev[0]
        assert left > right
        darker_grounds += ImageStat.Stat(view.crop((24, 12, 34, 28))).mean[0] < 128
    assert 5 < darker_grounds < 25


def test_a_photograph_is_varied_further_than_it_is_viewed(picture: Image.Image) -> None:
    def spread(draw: Callable[[random.Random], Image.Image]) -> float:
        means = [ImageStat.Stat(draw(random.Random(seed))).mean[0] for seed in range(40)]
        return pstdev(means)

    gentle = spread(lambda rng: draw_view(picture, 32, WHITE, rng, may_mirror=True))
    varied = spread(lambda rng: varied_view(picture, 32, "Buildings", rng))
    assert varied > 1.3 * gentle
