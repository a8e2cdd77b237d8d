"""Things that nobody asked to forget: where they come from, and that no tested stranger is among them."""

from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import UsageError
from mlubench.data.background import (
    DRAWN,
    FEWEST,
    drawn_background,
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


def test_what_teaches_sets_no_threshold() -> None:
    for background in (drawn_background(), real_background()):
        teaching = set(background.teaching())
        setting = set(background.setting())
        assert not teaching & setting
        assert teaching | setting == set(background.things)
        assert len(teaching) > 30 and len(setting) > 20


def test_real_things_are_none_that_a_gate_is_measured_on() -> None:
    background = real_background()
    assert not {entity.key for entity in unseen_strangers()} & set(background.things)
    pictures = background.pictures_of(background.things[:1])
    assert len({picture.tobytes() for picture in pictures}) == background.pictures


def test_a_folder_of_ones_own_comes_before_what_a_benchmark_has(tmp_path: Path) -> None:
    for number in range(FEWEST):
        Image.new("RGB", (40, 30), (number, 50, 90)).save(tmp_path / f"{number:02d}.png")
    background = open_background("drawn", tmp_path)
    assert background is not None
    assert background.things[3] == "03.png"
    assert background.picture("03.png", 0).getpixel((112, 112)) == (3, 50, 90)
    drawn = open_background("drawn", None)
    assert drawn is not None and drawn.id != background.id
    assert open_background("", None) is None
    (tmp_path / "00.png").unlink()
    with pytest.raises(UsageError, match=f"holds {FEWEST - 1} pictures"):
        open_background("drawn", tmp_path)
    (tmp_path / "00.png").write_text("no picture")
    with pytest.raises(UsageError, match=r"00\.png"):
        open_background("drawn", tmp_path)
