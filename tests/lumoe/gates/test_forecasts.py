"""Forecasts: each picture of a request is left out and asked about, as if it were new."""

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.lumoe.gates.forecasts import OwnPictures, mean_of

NOTHING_KEPT = torch.zeros(0, 1, 16)


def like(centre: Tensor, pictures: int, *, noise: float, seed: int) -> Tensor:
    """Pictures of one thing with one view each, (pictures, 2, D) at length 1."""
    rng = torch.Generator().manual_seed(seed)
    return F.normalize(centre + noise * torch.randn(pictures, 2, 16, generator=rng), dim=2)


def own_pictures(requests: list[Tensor], kept: Tensor = NOTHING_KEPT) -> OwnPictures:
    own = OwnPictures.none(16)
    means = torch.stack([mean_of(rows)[None] for rows in requests])
    pictures = sum(len(rows) for rows in requests)
    own.add(requests, torch.zeros(pictures), means, kept)
    return own


def test_pictures_that_are_alike_would_be_known_by_each_other() -> None:
    one = like(torch.eye(16)[0], 4, noise=0.05, seed=0)
    other = like(torch.eye(16)[1], 3, noise=0.05, seed=1)
    own = own_pictures([one, other])
    assert own.missed(["A", "B"], threshold=0.5) == [0, 0]
    forecasts = own.forecasts(["A", "B"], threshold=0.5)
    assert [(one.leak, one.pictures) for one in forecasts] == [(0.0, 4), (0.0, 3)]


def test_pictures_of_different_things_would_be_missed() -> None:
    apart = F.normalize(torch.randn(4, 1, 16, generator=torch.Generator().manual_seed(0)), dim=2)
    (forecast,) = own_pictures([apart]).forecasts(["A"], threshold=0.9)
    assert (forecast.leak, forecast.pictures) == (1.0, 4)
    assert "would be missed" in forecast.problem


def test_a_single_picture_forecasts_nothing() -> None:
    alone = like(torch.eye(16)[0], 1, noise=0.1, seed=0)
    (forecast,) = own_pictures([alone]).forecasts(["A"], threshold=0.1)
    assert forecast.leak is None
    assert "give eight" in forecast.problem


def test_a_picture_that_is_nearer_to_another_request_counts_if_the_expert_is_another() -> None:
    centre = torch.eye(16)[0]
    # The second request is the first thing once more, in better pictures.
    blurred = like(centre, 4, noise=0.5, seed=0)
    clear = like(centre, 4, noise=0.01, seed=1)
    own = own_pictures([blurred, clear])
    assert own.missed(["A", "B"], threshold=-1)[0] == 4
    assert own.missed(["A", "A"], threshold=-1)[0] == 0


def test_what_must_stay_and_is_liker_takes_a_picture_away() -> None:
    one = like(torch.eye(16)[0], 4, noise=0.3, seed=0)
    kept = one[2:3, :1]
    own = own_pictures([one], kept)
    assert own.missed(["A"], threshold=-1) == [1]


def test_the_likeness_to_the_others_is_that_of_a_mean_made_without_the_picture() -> None:
    one = like(torch.eye(16)[0], 5, noise=0.4, seed=0)
    own = own_pictures([one])
    for left_out in range(5):
        others = torch.cat([one[:left_out], one[left_out + 1 :]])
        expected = one[left_out, 0] @ mean_of(others)
        assert torch.allclose(own.to_own[left_out], expected, atol=1e-6)
