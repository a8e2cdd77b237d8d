"""The nearest prototypes: exact while they are few, nearly always right beyond, and the same however they were added."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlubench.lumoe.gates.nearest import FULL, Nearest


def drawn(count: int, features: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed))


def made(rows: torch.Tensor, *, probes: int = 16) -> Nearest:
    index = Nearest(rows.shape[1], probes=probes)
    index.add(rows)
    return index


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3 * FULL), st.integers(1, 6), st.integers(0, 99))
def test_while_they_are_few_it_is_exact(count: int, k: int, seed: int) -> None:
    rows, queries = drawn(count, seed=seed), drawn(5, seed=seed + 100)
    index = made(rows)
    assert index.exact and len(index) == count
    distances, numbers = index.search(queries, k)
    truth = torch.cdist(queries.double(), rows.double()).sort(1)
    some = min(k, count)
    assert torch.allclose(distances[:, :some], truth.values[:, :some], atol=1e-6)
    assert torch.allclose(
        (queries.double()[:, None] - rows.double()[numbers[:, :some]]).norm(dim=2),
        distances[:, :some],
    )
    assert (numbers[:, some:] == -1).all() and distances[:, some:].isinf().all()


@pytest.fixture(scope="module")
def crowd() -> torch.Tensor:
    """40,000 prototypes in 50 classes."""
    return (3 * drawn(50, 16, seed=1)).repeat_interleave(800, 0) + drawn(40_000, 16, seed=2)


def test_among_many_it_looks_at_few_and_misses_hardly_any(crowd: torch.Tensor) -> None:
    index = made(crowd)
    assert not index.exact
    shown = torch.arange(0, 40_000, 100)
    queries = crowd[shown] + 0.2 * drawn(400, 16, seed=3)
    distances, numbers = index.search(queries)
    truth = torch.cdist(queries, crowd, compute_mode="donot_use_mm_for_euclid_dist")
    assert (numbers[:, 0] == truth.argmin(1)).double().mean() >= 0.98
    assert torch.allclose(distances[:, 0].float(), truth.gather(1, numbers)[:, 0], atol=1e-4)
    index.probes = 1000  # more than there are cells
    assert index.exact
    assert torch.equal(index.search(queries)[1][:, 0], truth.argmin(1))


def test_one_by_one_is_as_all_at_once(crowd: torch.Tensor) -> None:
    rows = crowd[::20]
    whole, grown = made(rows, probes=1000), Nearest(16, probes=1000)
    for row in rows:
        grown.add(row[None])
    queries = drawn(50, 16, seed=4)
    for a, b in zip(whole.search(queries, 3), grown.search(queries, 3), strict=True):
        assert torch.equal(a, b)


def test_what_is_added_is_found_and_changes_no_number(crowd: torch.Tensor) -> None:
    index = made(crowd)
    before = index.search(crowd[:50])[1]
    new = 30 + drawn(20, 16, seed=5)
    index.add(new)
    assert torch.equal(index.search(new)[1][:, 0], 40_000 + torch.arange(20))
    assert torch.equal(index.search(crowd[:50])[1], before)


def test_rows_that_are_all_the_same_still_fit_into_cells() -> None:
    index = made(torch.ones(3 * FULL, 4))
    index.add(torch.zeros(1, 4))
    distances, numbers = index.search(torch.zeros(1, 4), 2)
    assert numbers[0, 0] == 3 * FULL and distances.tolist() == [[0.0, 2.0]]


def test_saved_and_loaded_it_finds_and_grows_the_same(crowd: torch.Tensor, tmp_path: Path) -> None:
    index = made(crowd[:5000])
    index.save(tmp_path / "nearest.safetensors")
    other = Nearest.load(tmp_path / "nearest.safetensors")
    for each in (index, other):
        each.add(crowd[5000:6000])
    queries = drawn(50, 16, seed=6)
    assert len(other) == 6000
    for a, b in zip(index.search(queries, 4), other.search(queries, 4), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "rows", [torch.ones(2, 3), torch.ones(4), torch.tensor([[1.0, 2.0, 3.0, float("nan")]])]
)
def test_rows_that_do_not_fit_are_refused(rows: torch.Tensor) -> None:
    index = made(drawn(3, 4))
    with pytest.raises(ValueError, match=r"rows are \(N, 4\) and finite"):
        index.add(rows)
    assert len(index) == 3


def test_an_empty_index_finds_nothing() -> None:
    distances, numbers = Nearest(4).search(torch.zeros(2, 4))
    assert distances.isinf().all() and (numbers == -1).all()
