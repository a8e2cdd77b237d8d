"""What other things teach: the directions in which they differ, found again in the cache."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mlubench.data.background import Background
from mlubench.lumoe.gates.guises import TURNED
from mlubench.lumoe.gates.learned import NEAREST, SHRINKAGE, Learned, learned_from, normalisation
from mlubench.models.encoders import Encoder

NONE = torch.zeros(0)


def metric_of(groups: Tensor, things: Tensor = NONE) -> Learned:
    """What groups of pictures teach, (things, pictures, D)."""
    mean, directions, gains = normalisation(groups)
    return Learned(mean, directions, gains, things[:, None], NONE, NONE)


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_rows_are_multiplied_by_the_inverse_root_of_the_shrunk_covariance() -> None:
    groups = drawn(30, 1, 6, seed=0) + drawn(30, 5, 6, seed=1)
    rows = groups.double()
    # The covariance within things, by its definition.
    residuals = (rows - rows.mean(1, keepdim=True)).flatten(0, 1)
    covariance = residuals.T @ residuals / (30 * 4)
    sphere = covariance.diagonal().mean() * torch.eye(6).double()
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * sphere
    values, vectors = torch.linalg.eigh(shrunk)
    inverse_root = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    expected = F.normalize((rows[0] - rows.mean((0, 1))) @ inverse_root, dim=1)
    seen = metric_of(groups).seen(groups[0])
    assert torch.allclose(seen.double(), expected, atol=1e-5)


def test_what_differs_within_a_thing_counts_for_little() -> None:
    """Pictures of one thing differ ten times as much in feature 1 as things do in feature 0."""
    things = 0.1 * drawn(40, 8, 3, seed=0)
    things[:, :, 0] += drawn(40, 1, seed=1)
    things[:, :, 1] += 10 * drawn(40, 8, seed=2)
    metric = metric_of(things)
    asked = torch.tensor([[1.0, 4.0, 0.0], [1.0, -4.0, 0.0]])
    assert torch.cosine_similarity(asked[0], asked[1], dim=0) < -0.8
    one, other = metric.seen(asked + metric.mean)
    assert one @ other > 0.2


def test_with_more_features_than_pictures_it_keeps_what_is_new() -> None:
    metric = metric_of(drawn(6, 3, 100, seed=0))
    assert metric.directions.shape == (18, 100)
    seen = metric.seen(drawn(4, 100, seed=1))
    assert seen.isfinite().all()
    # In no direction that the six things had: unlike each other as before.
    assert (seen @ seen.T - torch.eye(4)).abs().max() < 0.5


def test_usual_is_the_mean_likeness_to_the_nearest_things() -> None:
    things = F.normalize(drawn(12, 6, seed=0), dim=1)
    rows = F.normalize(drawn(4, 2, 6, seed=1), dim=2)
    usual = metric_of(drawn(6, 3, 6, seed=2), things).usual(rows)
    assert usual.shape == (4, 2)
    nearest = sorted((things @ rows[3, 1]).tolist())[-NEAREST:]
    assert usual[3, 1].item() == pytest.approx(sum(nearest) / NEAREST, abs=1e-6)


def test_with_fewer_things_than_that_usual_is_the_mean_over_all() -> None:
    things = F.normalize(drawn(2, 6, seed=0), dim=1)
    usual = metric_of(drawn(6, 3, 6, seed=2), things).usual(things[:1])
    assert usual.item() == pytest.approx((1 + (things[0] @ things[1]).item()) / 2, abs=1e-6)


class Counting:
    """An encoder that says a picture's colour, and counts the pictures that it was asked about."""

    def __init__(self, name: str) -> None:
        self.asked = 0
        self.encoder = Encoder(name, self._layers)

    def _layers(self, pictures: list[Image.Image]) -> list[Tensor]:
        self.asked += len(pictures)
        colours = [picture.resize((1, 1)).getpixel((0, 0)) for picture in pictures]
        return [torch.tensor(colours).float() / 255]


@pytest.fixture
def colours() -> Background:
    """Thirty things with three pictures each: each is one colour, a little bluer on each next picture."""

    def picture(thing: str, number: int) -> Image.Image:
        hue = int(thing)
        return Image.new("RGB", (4, 4), (hue * 5, 200 - hue * 3, number * 4))

    things = tuple(str(number) for number in range(30))
    return Background("colours", "colours", things, 3, picture)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what was learned is kept."""
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path))
    return tmp_path / "gates"


def test_some_things_teach_and_the_others_are_strangers(cache: Path, colours: Background) -> None:
    found = learned_from(colours, Counting("colours").encoder)
    assert found.things.shape == (18, 1, 3)
    assert found.strangers.shape == (12 * 3, 1, 3)
    assert torch.allclose(found.strangers.norm(dim=2), torch.ones(36, 1), atol=1e-5)
    assert torch.equal(found.usual_of_strangers, found.usual(found.strangers))


def test_usual_is_by_the_turn_in_which_a_thing_is_likest() -> None:
    things = F.normalize(drawn(2, 4, 6, seed=0), dim=2)
    rows = F.normalize(drawn(3, 6, seed=1), dim=1)
    metric = replace(metric_of(drawn(6, 3, 6, seed=2)), things=things)
    first = max(float(rows[0] @ turned) for turned in things[0])
    second = max(float(rows[0] @ turned) for turned in things[1])
    assert metric.usual(rows)[0].item() == pytest.approx((first + second) / 2, abs=1e-6)


def test_in_guises_things_are_turned_and_their_pictures_covered(
    cache: Path, colours: Background
) -> None:
    counting = Counting("colours")
    found = learned_from(colours, counting.encoder, guises=True)
    assert found.things.shape == (18, 1 + len(TURNED), 3)
    # Every teaching picture covered once, and every teaching thing in every turn.
    assert counting.asked == 30 * 3 + 18 * 3 + 18 * len(TURNED)
    # What covers a picture of one colour changes it, so it counts for less than without guises.
    alone = learned_from(colours, counting.encoder)
    assert not torch.equal(found.gains, alone.gains)


def test_it_is_learned_once_and_found_again(cache: Path, colours: Background) -> None:
    counting = Counting("colours")
    found = learned_from(colours, counting.encoder)
    again = learned_from(colours, counting.encoder)
    assert counting.asked == 30 * 3
    assert torch.equal(again.directions, found.directions)
    assert torch.equal(again.usual_of_strangers, found.usual_of_strangers)


def test_a_file_that_was_cut_is_learned_anew(cache: Path, colours: Background) -> None:
    counting = Counting("colours")
    found = learned_from(colours, counting.encoder)
    (file,) = cache.iterdir()
    file.write_bytes(b"cut")
    assert torch.equal(learned_from(colours, counting.encoder).things, found.things)
    assert counting.asked == 2 * 30 * 3


def test_of_an_encoder_that_nobody_knows_nothing_is_kept(cache: Path, colours: Background) -> None:
    counting = Counting("")
    learned_from(colours, counting.encoder)
    learned_from(colours, counting.encoder)
    assert counting.asked == 2 * 30 * 3
    assert not cache.exists()
