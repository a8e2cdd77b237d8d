"""A vision model that is tuned on other things: what learns and what stays, and that an interruption changes nothing."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F

from mlubench.data.background import Background, drawn_background
from mlubench.lumoe.gates import tuning
from mlubench.lumoe.gates.tuning import Tuning, tune, tuned_folder, with_margin
from mlubench.models.encoders import VisionModel, folder_encoder, load_vision
from mlubench.models.toy.eye import FOLDER
from support.tiny_parts import save_clip

THINGS = 12
SMALL = Tuning(pictures=64, batch=8)


def things(asked: Callable[[str, int], None] = lambda thing, number: None) -> Background:
    drawn = drawn_background(THINGS)

    def picture(thing: str, number: int) -> Image.Image:
        asked(thing, number)
        return drawn.picture(thing, number)

    return Background("drawn things", drawn.id, drawn.things, drawn.pictures, picture)


@pytest.fixture
def eye() -> VisionModel:
    return load_vision(FOLDER)


def test_the_margin_widens_the_angle_to_the_right_thing_alone() -> None:
    cosines = torch.tensor([[0.5, 0.5], [0.0, -1.0]])
    found = with_margin(cosines, torch.tensor([0, 1]))
    assert found[0, 0].item() == pytest.approx(math.cos(math.pi / 3 + 0.3), abs=1e-5)
    assert found[0, 1] == 0.5
    assert found[1, 0] == 0
    # Not beyond the far end.
    assert found[1, 1].item() == pytest.approx(-1, abs=1e-5)


def test_the_last_third_learns_and_the_rest_stays(eye: VisionModel, tmp_path: Path) -> None:
    before = {name: weight.clone() for name, weight in eye.model.state_dict().items()}
    tune(eye, things(), SMALL, tmp_path)
    changed = set()
    for name, weight in eye.model.state_dict().items():
        if not torch.equal(weight, before[name]):
            changed.add(name)
    # The last two of four blocks, and the head behind them. The statistics of batch norm stay, as buffers.
    learns = set()
    for name, _ in eye.model.named_parameters():
        if name.startswith(("blocks.2.", "blocks.3.", "head.")):
            learns.add(name)
    assert changed == learns


def test_it_learns_to_tell_apart_what_it_could_not(
    eye: VisionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "RATE", 3e-3)  # in a few steps
    # The network knows emblems by their colours.
    grey = replace(things(), picture=_grey)
    before = _apart(eye, grey)
    tune(eye, grey, Tuning(pictures=320, batch=16), tmp_path)
    assert _apart(eye, grey) > before + 0.05


def _grey(thing: str, number: int) -> Image.Image:
    return drawn_background().picture(thing, number).convert("L").convert("RGB")


def _apart(vision: VisionModel, background: Background) -> float:
    """How like new pictures of one thing are, less how like those of different things."""
    encoder = vision.encoder()
    pictures = [background.picture(t, 5000 + n) for t in background.teaching() for n in (0, 1)]
    rows = encoder(pictures)
    rows = F.normalize(rows - rows.mean(0), dim=1)
    alike = rows[::2] @ rows[1::2].T
    same = alike.diagonal().mean()
    others = alike.sum() - alike.diagonal().sum()
    return float(same - others / (alike.numel() - len(alike)))


def test_what_sets_the_threshold_is_never_shown(eye: VisionModel, tmp_path: Path) -> None:
    shown: set[str] = set()
    numbers: list[int] = []

    def asked(thing: str, number: int) -> None:
        shown.add(thing)
        numbers.append(number)

    background = things(asked)
    tune(eye, background, SMALL, tmp_path)
    assert shown == set(background.teaching())
    learned_from = [number for number in numbers if number >= background.pictures]
    assert len(set(learned_from)) == len(learned_from) == SMALL.pictures


def test_an_interrupted_tuning_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tuning, "CHECKPOINT", 2)
    tuned_folder(load_vision(FOLDER), things(), SMALL, tmp_path / "whole")
    drawn = 0

    def interrupt(thing: str, number: int) -> None:
        nonlocal drawn
        drawn += number >= tuning.FIRST
        if drawn > 5 * SMALL.batch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned_folder(load_vision(FOLDER), things(interrupt), SMALL, tmp_path / "resumed")
    assert not (tmp_path / "resumed").exists()
    count = 0

    def counted(thing: str, number: int) -> None:
        nonlocal count
        count += number >= tuning.FIRST

    tuned_folder(load_vision(FOLDER), things(counted), SMALL, tmp_path / "resumed")
    assert count <= 4 * SMALL.batch
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    resumed = load_file(tmp_path / "resumed" / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    # Nothing of it stays in the cache.
    assert not any((tmp_path / "cache" / "tuning").iterdir())


def test_a_tuned_clip_is_an_encoder(tmp_path: Path) -> None:
    before = folder_encoder(save_clip(tmp_path / "clip"))
    tuned_folder(load_vision(tmp_path / "clip"), things(), SMALL, tmp_path / "out")
    after = folder_encoder(tmp_path / "out")
    pictures = [drawn_background().picture("Background/Thing_1", 1)]
    assert after.id != before.id
    assert after(pictures).shape == before(pictures).shape
    assert not torch.equal(after(pictures), before(pictures))
