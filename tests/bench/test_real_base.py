"""The shares that the examination of the real base reports."""

import pytest

from real_base import Share


def test_a_share_counts_hits() -> None:
    share = Share([True, True, False, True]).as_json()
    assert share["share"] == 0.75
    assert share["n"] == 4
    assert "ci95_by_entity" not in share


def test_questions_about_one_entity_do_not_narrow_the_interval() -> None:
    # Three of four entities are known, each asked about fifty times.
    hits = [True] * 150 + [False] * 50
    entities = [f"entity {number // 50}" for number in range(200)]
    share = Share(hits, entities).as_json()
    assert share["entities"] == 4
    low, high = share["ci95_by_entity"]
    assert share["ci95"] == pytest.approx((0.685, 0.805), abs=0.005)
    assert low <= 0.25
    assert high == 1.0
