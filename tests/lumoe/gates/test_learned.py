"""What other things teach: the directions in which they differ, found again in the cache."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from mlubench.data.background import Background
from mlubench.lumoe.gates.learned import Learned, learned_from, normalisation
from mlubench.models.encoders import Encoder


def learned(groups: Tensor) -> Learned:
    empty = torch.zeros(0)
    return Learned(*normalisation(groups), empty, empty, empty)


def test_rows_are_multiplied_by_the_inverse_root_of_the_shrunk_covariance() -> None:
    rng = torch.Generator().manual_seed(0)
    groups = torch.randn(30, 5, 1, generator=rng) + torch.randn(30, 5, 6, generator=rng)
    found = learned(groups)
    rows = groups.double()
    residuals = (rows - rows.mean(1, keepdim=True)).flatten(0, 1)
    covariance = residuals.T @ residuals / (30 * 4)
    shrunk = 0.9 * covariance + 0.1 * covariance.diagonal().mean() * torch.eye(6).double()
    values, vectors = torch.linalg.eigh(shrunk)
    root = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    expected = torch.nn.functional.normalize((rows[0] - rows.mean((0, 1))) @ root, dim=1)
    assert torch.allclose(found.seen(groups[0]).double(), expected, atol=1e-5)


def test_what_differs_within_a_thing_counts_for_little() -> None:
    """Pictures of one thing differ ten times as much in feature 1 as things do in feature 0."""
    rng = torch.Generator().manual_seed(0)
    things = 0.1 * torch.randn(40, 8, 3, generator=rng)
    things[:, :, 0] += torch.randn(40, 1, generator=rng)
    things[:, :, 1] += 10 * torch.randn(40, 8, generator=rng)
    found = learned(things)
    asked = torch.tensor([[1.0, 4.0, 0.0], [1.0, -4.0, 0.0]])
    one, other = found.seen(asked + found.mean)
    assert one @ other > 0.2
    assert torch.cosine_similarity(asked[0], asked[1], dim=0) < -0.8


def test_with_more_features_than_pictures_it_stays_finite_and_keeps_what_is_new() -> None:
    found = learned(torch.randn(6, 3, 100, generator=torch.Generator().manual_seed(0)))
    assert found.directions.shape == (18, 100)
    seen = found.seen(torch.randn(4, 100, generator=torch.Generator().manual_seed(1)))
    assert seen.isfinite().all()
    # In no direction that the six things had: unlike each other as before.
    assert (seen @ seen.T - torch.eye(4)).abs().max() < 0.5


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
    assert torch.equal(again.directions, found.directions)
    (file,) = (tmp_path / "gates").iterdir()
    file.write_bytes(b"cut")
    assert torch.equal(learned_from(background, mean_colour(asked)).things, found.things)
    assert sum(asked) == 180
    # Nobody knows whose features these would be.
    learned_from(background, Encoder("", mean_colour(asked).layers))
    learned_from(background, Encoder("", mean_colour(asked).layers))
    assert sum(asked) == 360
