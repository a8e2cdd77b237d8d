"""AUROC and false positives at 95% recall against brute force, and intervals that resample whole entities."""

import numpy as np
import pytest

from mlubench.statistics.separation import separation


def of(positive: list[float], negative: list[float]) -> dict:
    names = [str(n) for n in range(len(positive))], [str(n) for n in range(len(negative))]
    return separation(positive, negative, names, resamples=50)


@pytest.mark.parametrize("seed", range(4))
def test_against_brute_force(seed: int) -> None:
    dice = np.random.default_rng(seed)
    positive, negative = dice.integers(2, 9, 40).tolist(), dice.integers(0, 7, 30).tolist()
    got = of(positive, negative)
    wins = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]
    assert got["auroc"] == pytest.approx(np.mean(wins), abs=1e-6)
    edges = [t for t in sorted(set(positive)) if np.mean([p >= t for p in positive]) >= 0.95]
    assert got["fpr95"] == pytest.approx(np.mean([n >= edges[-1] for n in negative]), abs=1e-6)
    for name in ("auroc", "fpr95"):
        low, high = got[f"{name}_ci95"]
        assert 0 <= low <= got[name] <= high <= 1


def test_at_its_ends() -> None:
    assert [of(*sides)["auroc"] for sides in (([2, 3], [0, 1]), ([0, 1], [2, 3]), ([1], [1]))] == [
        1.0,
        0.0,
        0.5,
    ]
    assert [of(*sides)["fpr95"] for sides in (([2, 3], [0, 1]), ([0, 1], [2, 3]), ([1], [1]))] == [
        0.0,
        1.0,
        1.0,
    ]
    assert set(of([], [1]).values()) == set(of([1], []).values()) == {None}


def test_whole_entities_are_resampled() -> None:
    """Twenty pictures of two entities are no better known than the two."""
    positive, negative = [1.0] * 10 + [0.0] * 10, [0.5] * 20
    entities = ["a"] * 10 + ["b"] * 10
    clustered = separation(positive, negative, (entities, entities))
    alone = separation(positive, negative, ([str(n) for n in range(20)], entities))
    assert clustered["auroc_ci95"] == (0.0, 1.0)
    assert 0.2 < alone["auroc_ci95"][0] < alone["auroc_ci95"][1] < 0.8
