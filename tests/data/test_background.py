"""Things that nobody asked to forget: where they come from, and that no tested stranger is among them."""

from pathlib import Path
from shutil import copyfile

import pytest
from PIL import Image

from mlubench.core.errors import UsageError
from mlubench.data.background import (
    DRAWN,
    FEWEST,
    count_teaching,
    drawn_background,
    folder_background,
    open_background,
    real_background,
)
from mlubench.data.real.strangers import unseen_strangers
from mlubench.data.strangers import drawn_entities
from mlubench.types import Benchmark


def test_drawn_things_are_in_no_world(whole_benchmark: Benchmark) -> None:
    background = drawn_background()
    assert len(background.things) == DRAWN
    known = {sample.entity.key for sample in whole_benchmark.samples}
    known |= {entity.key for entity in drawn_entities(["Animals", "Background"], 0)}
    assert not known & set(background.things)
    thing = background.things[0]
    assert background.picture(thing, 0).tobytes() == background.picture(thing, 0).tobytes()
    assert background.picture(thing, 0).tobytes() != background.picture(thing, 1).tobytes()


def test_what_teaches_is_counted_without_a_look(tmp_path: Path) -> None:
    assert count_teaching("drawn", None) == len(drawn_background().teaching())
    assert count_teaching("real", None) == len(real_background().teaching())
    assert count_teaching("", None) == 0
    for number in range(FEWEST + 3):
        Image.new("RGB", (40, 40), (number * 9, 255 - number * 9, 40)).save(
            tmp_path / f"{number}.png"
        )
    assert count_teaching("drawn", tmp_path) == 14
    with pytest.raises(UsageError, match="a background needs"):
        count_teaching("drawn", tmp_path / "nowhere")


def test_what_teaches_sets_no_threshold() -> None:
    for background in (drawn_background(), real_background()):
        teaching = set(background.teaching())
        setting = set(background.setting())
        assert not teaching & setting
        assert teaching | setting == set(background.things)
        assert len(teaching) > 30
        assert len(setting) > 20


def test_real_things_are_none_that_a_gate_is_measured_on() -> None:
    background = real_background()
    assert not {entity.key for entity in unseen_strangers()} & set(background.things)
    pictures = background.pictures_of(background.things[:1])
    assert len({picture.tobytes() for picture in pictures}) == background.pictures


def folder_of(folder: Path, pictures: int) -> Path:
    """A folder of pictures that differ: a bright square on dark ground, each time in another place."""
    folder.mkdir()
    for number in range(pictures):
        picture = Image.new("RGB", (48, 32), (10, 20, 5 * number))
        left = 8 * (number % 5)
        top = 6 * (number // 5 % 5)
        picture.paste((250, 240, 230), (left, top, left + 8, top + 8))
        picture.save(folder / f"{number:02d}.png")
    return folder


def test_a_folder_of_ones_own_comes_before_what_a_benchmark_has(tmp_path: Path) -> None:
    background = open_background("drawn", folder_of(tmp_path / "mine", FEWEST))
    assert background is not None
    assert len(background.things) == FEWEST
    assert background.name == "pictures in mine"
    # The ground of the fourth picture, in the corner that no square covers.
    assert background.picture("03.png", 0).getpixel((210, 140)) == (10, 20, 15)
    drawn = open_background("drawn", None)
    assert drawn is not None
    assert drawn.id != background.id


def test_without_a_folder_a_benchmark_may_have_none() -> None:
    assert open_background("", None) is None


def test_too_few_pictures_are_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine", FEWEST - 1)
    with pytest.raises(UsageError, match=f"holds {FEWEST - 1} pictures"):
        open_background("drawn", folder)


def test_a_file_that_is_no_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine", FEWEST)
    (folder / "00.png").write_text("no picture")
    with pytest.raises(UsageError, match=r"00\.png"):
        open_background("drawn", folder)


def test_a_picture_that_is_there_twice_counts_once_and_is_said(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine", FEWEST + 1)
    alone = folder_background(folder)
    # The same bytes, and the same picture scaled and compressed.
    copyfile(folder / "04.png", folder / "zz_copy.png")
    with Image.open(folder / "07.png") as picture:
        picture.resize((96, 64)).save(folder / "zz_scaled.jpg")
    background = folder_background(folder)
    assert background.things == alone.things
    assert background.name == "pictures in mine (2 copies of others among them left out)"
    # The same things give the same metric.
    assert background.id == alone.id


def test_copies_do_not_make_enough_of_too_few(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine", FEWEST - 1)
    for number in range(5):
        copyfile(folder / f"{number:02d}.png", folder / f"zz_{number}.png")
    with pytest.raises(UsageError, match=f"holds {FEWEST - 1} different pictures"):
        folder_background(folder)


def test_it_knows_pictures_that_it_shows_too(tmp_path: Path) -> None:
    background = folder_background(folder_of(tmp_path / "mine", FEWEST))
    others = folder_of(tmp_path / "others", FEWEST + 3)
    with Image.open(others / "06.png") as picture:
        picture.save(others / "06.jpg")
    asked = [others / "03.png", others / "06.jpg", others / "22.png"]
    assert background.also_show(asked) == 2
    assert background.also_show([]) == 0
    assert drawn_background().also_show(asked) == 0
