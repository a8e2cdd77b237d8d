"""How rows stand to what a gate knows: by hand, and the same whether it is learned at once or one after another."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.lumoe.gates.standing import VETO, Standing, scored


def rows_of(count: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, 8, generator=rng), dim=1)


def as_it_is(means: Tensor) -> Tensor:
    """Of things without guises. (F, 1, D)"""
    return means[:, None]


def test_a_score_is_likeness_less_what_is_usual_unless_something_must_stay_that_is_liker() -> None:
    likeness = torch.tensor([0.9, 0.9])
    usual = torch.tensor([0.2, 0.2])
    to_kept = torch.tensor([0.3, 0.95])
    scores = scored(likeness, usual, to_kept)
    assert scores.tolist() == pytest.approx([0.9 - 0.2, 0.9 - 0.95 - VETO])


def test_a_score_never_falls_where_likeness_rises() -> None:
    likeness = torch.linspace(-1, 1, 200)
    for usual in (-1.0, 0.0, 1.0):
        for to_kept in (-1.0, 0.0, 1.0):
            scores = scored(likeness, torch.tensor(usual), torch.tensor(to_kept))
            assert (scores.diff() >= 0).all()


def test_requests_one_after_another_are_as_all_at_once() -> None:
    rows = rows_of(40, seed=0)
    requests = rows_of(7, seed=1)
    kept = rows_of(3, seed=2)
    usual = torch.full((40,), 0.25)
    standing = Standing.of(rows, usual)
    for number in range(7):
        standing.meet_requests(as_it_is(requests)[number : number + 1], first=number)
    for number in range(3):
        standing.meet_kept(as_it_is(kept)[number : number + 1])
    likeness = rows @ requests.T
    to_kept = (rows @ kept.T).max(1).values
    assert torch.allclose(standing.to_request, likeness.max(1).values)
    assert torch.equal(standing.nearest, likeness.argmax(1))
    assert torch.allclose(standing.to_kept, to_kept)
    of_each = scored(likeness, usual[:, None], to_kept[:, None])
    assert torch.allclose(standing.scores(), of_each.max(1).values)


def test_a_row_does_not_meet_its_own_request() -> None:
    requests = rows_of(5, seed=1)
    own = torch.tensor([2, 0])
    standing = Standing.of(requests[own], torch.zeros(2))
    standing.meet_others(as_it_is(requests), own)
    assert (standing.nearest != own).all()
    likeness = requests[own] @ requests.T
    likeness[0, 2] = likeness[1, 0] = -1
    assert torch.equal(standing.to_request, likeness.max(1).values)


def test_rows_added_later_stand_beside_the_earlier_ones() -> None:
    first = Standing.of(rows_of(2, seed=0), torch.zeros(2))
    first.meet_requests(as_it_is(rows_of(3, seed=1)), first=0)
    more = Standing.of(rows_of(4, seed=3), torch.ones(4))
    first.add(more)
    assert first.rows.all.shape == (6, 8)
    assert first.usual.tolist() == [0, 0, 1, 1, 1, 1]
    assert first.nearest[2:].tolist() == [-1] * 4
    assert first.to_kept.tolist() == [-torch.inf] * 6


def test_the_likest_guise_of_a_request_counts() -> None:
    """And of what must stay, too."""
    rows = rows_of(9, seed=0)
    means = rows_of(6, seed=1).unflatten(0, (2, 3))
    kept = rows_of(4, seed=2).unflatten(0, (2, 2))
    standing = Standing.of(rows, torch.zeros(9))
    standing.meet_requests(means, first=0)
    standing.meet_kept(kept)
    for number in range(9):
        of_each = [max(float(rows[number] @ mean) for mean in request) for request in means]
        assert standing.to_request[number].item() == pytest.approx(max(of_each), abs=1e-6)
        assert standing.nearest[number] == of_each.index(max(of_each))
        to_kept = max(float(rows[number] @ mean) for mean in kept.flatten(0, 1))
        assert standing.to_kept[number].item() == pytest.approx(to_kept, abs=1e-6)
