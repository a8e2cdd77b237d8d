"""What other things teach: the directions in which they differ, found again in the cache."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from mlubench.data.background import Background
from mlubench.lumoe.gates.learned import discriminants, learned_from
from mlubench.models.encoders import Encoder


def test_what_differs_within_a_thing_counts_for_little() -> None:
    """Things differ in feature 0; pictures of one thing differ ten times as much in feature 1."""
    rng = torch.Generator().manual_seed(0)
    things = torch.zeros(40, 8, 3)
    things[:, :, 0] += torch.randn(40, 1, generator=rng)
    things[:, :, 1] += 10 * torch.randn(40, 8, generator=rng)
    things[:, :, 2] += 0.1 * torch.randn(40, 8, generator=rng)
    mean, projection = discriminants(things)
    assert mean.tolist() == pytest.approx(things.mean((0, 1)).tolist(), abs=1e-6)
    first = projection[:, 0]
    assert first[0].abs() > 10 * first[1].abs()
    assert first[0].abs() > 3 * first[2].abs()


def test_with_more_features_than_pictures_it_stays_finite() -> None:
    rows = torch.randn(6, 3, 100, generator=torch.Generator().manual_seed(0))
    _, projection = discriminants(rows)
    assert projection.shape == (100, 5)  # six things differ in five directions
    assert projection.isfinite().all()


def colours(things: int) -> Background:
    """Each thing is one colour, a little lighter on each next picture."""

    def picture(thing: str, number: int) -> Image.Image:
        hue = int(thing)
        return Image.new("RGB", (4, 4), (hue * 5, 200 - hue * 3, number * 4))

    return Background("colours", "colours", tuple(map(str, range(things))), 3, picture)


def mean_colour(asked: list[int]) -> Encoder:
    def layers(pictures: list[Image.Image]) -> list[Tensor]:
        asked.append(len(pictures))
        rows = [picture.resize((1, 1)).getpixel((0, 0)) for picture in pictures]
        return [torch.tensor(rows).float() / 255]

    return Encoder("colours", layers)


def test_it_is_learned_once_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path))
    asked: list[int] = []
    background = colours(30)
    found = learned_from(background, mean_colour(asked))
    assert sum(asked) == 90
    assert found.things.shape == (18, 3)
    assert found.strangers.shape == (12 * 3, 1, 3)
    assert found.strangers.norm(dim=2).flatten().tolist() == pytest.approx([1] * 36, abs=1e-5)
    again = learned_from(background, mean_colour(asked))
    assert sum(asked) == 90
    assert torch.equal(again.projection, found.projection)
    (file,) = (tmp_path / "gates").iterdir()
    file.write_bytes(b"cut")
    assert torch.equal(learned_from(background, mean_colour(asked)).things, found.things)
    assert sum(asked) == 180
    # Nobody knows whose features these would be.
    learned_from(background, Encoder("", mean_colour(asked).layers))
    learned_from(background, Encoder("", mean_colour(asked).layers))
    assert sum(asked) == 360
