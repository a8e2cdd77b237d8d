"""Scores by hand, intervals by simulation, ranks by brute force."""

import numpy as np
import pytest

from mlubench.runs.results import CellRow
from mlubench.statistics.directions import BETTER, marked
from mlubench.statistics.intervals import clustered_mean, mean_over_seeds, wilson
from mlubench.statistics.scores import (
    Scored,
    breakdowns,
    final_level,
    paired_difference,
    score_of,
    stability,
)


def rows(*facts: list[int | None]) -> list[Scored]:
    return [
        Scored(f"f{n}", s, {"class": "ab"[n % 2]}) for n, scores in enumerate(facts) for s in scores
    ]


def cell(task: str, after: str, score: float | None, metric: str = "utility") -> CellRow:
    return CellRow(method="ga", task=task, after=after, metric=metric, score=score)


def test_score_is_the_sum_over_the_maximum() -> None:
    found = score_of(rows([2, 1], [0, 2], [1]), resamples=200)
    assert found["score"] == 0.6
    assert (found["n"], found["unscored"]) == (5, 0)
    low, high = found["ci95"]
    assert 0 <= low < 0.6 < high <= 1


def test_unscored_is_counted_apart_and_is_not_a_zero() -> None:
    found = score_of(rows([2, None], [None], [1]), resamples=200)
    assert (found["score"], found["n"], found["unscored"]) == (0.75, 2, 2)


@pytest.mark.parametrize(("given", "unscored"), [([], 0), ([None, None], 2)])
def test_nothing_scored_has_no_score(given: list[None], unscored: int) -> None:
    assert score_of(rows(given), resamples=100) == {
        "score": None,
        "ci95": None,
        "n": 0,
        "unscored": unscored,
    }


def test_one_fact_has_an_interval_without_width() -> None:
    assert score_of(rows([2, 0, 1]), resamples=100)["ci95"] == (0.5, 0.5)


def test_same_rows_have_the_same_interval_whatever_their_order() -> None:
    given = rows([2, 1, 0], [0, 0], [2], [1, 2])
    assert score_of(given, resamples=300) == score_of(given[::-1], resamples=300)


def simulate(facts: int, samples: int, dice: np.random.Generator) -> list[Scored]:
    """Facts that are known or not, whose samples mostly agree: the truth is a mean of 0.5."""
    found = []
    for fact in range(facts):
        chance = dice.choice([0.1, 0.9])
        found += [Scored(str(fact), 2 * int(dice.random() < chance), {}) for _ in range(samples)]
    return found


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    dice = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        low, high = score_of(simulate(40, 6, dice), resamples=300)["ci95"]
        hits += low <= 0.5 <= high
    assert 0.90 <= hits / 300 <= 0.99  # resampling samples instead of facts covers less than 0.7


def test_interval_is_wider_when_the_same_samples_come_from_fewer_facts() -> None:
    dice = np.random.default_rng(2)
    values = [2 * int(dice.random() < 0.5) for _ in range(240)]

    def width(facts: int) -> float:
        ordered = sorted(values)  # samples of one fact agree
        given = [Scored(str(n * facts // 240), v, {}) for n, v in enumerate(ordered)]
        low, high = score_of(given, resamples=1000)["ci95"]
        return high - low

    assert width(6) > 2 * width(60) > 0


def test_breakdowns_split_and_add_up() -> None:
    given = rows([2, 2], [0, None], [2])
    parts = {p["value"]: p for p in breakdowns(given, ["class"], resamples=100)}
    assert (parts["a"]["score"], parts["a"]["n"], parts["a"]["unscored"]) == (1.0, 3, 0)
    assert (parts["b"]["score"], parts["b"]["n"], parts["b"]["unscored"]) == (0.0, 1, 1)
    assert {p["by"] for p in parts.values()} == {"class"}


CELLS = [
    cell("A", "A", 0.9),
    cell("A", "B", 0.7),
    cell("A", "C", 0.2),
    cell("B", "B", 0.4),
    cell("B", "C", 0.5),
    cell("C", "C", 0.8),
    cell("A", "A", 0.1, "forget_quality"),
]


def test_stability_by_hand() -> None:
    assert stability(CELLS, ["A", "B", "C"], "utility") == pytest.approx(0.7 + 0.1 + 0.0)
    assert stability(CELLS, ["A"], "forget_quality") == 0


def test_final_level_by_hand() -> None:
    assert final_level(CELLS, ["A", "B", "C"], "utility") == pytest.approx((0.2 + 0.5 + 0.8) / 3)


def test_cells_before_their_own_task_do_not_change_the_sums() -> None:
    """As `evaluate.tasks=all` makes them."""
    more = [*CELLS, cell("B", "A", 0.99), cell("C", "A", 0.99), cell("C", "B", 0.99)]
    order = ["A", "B", "C"]
    assert stability(more, order, "utility") == stability(CELLS, order, "utility")
    assert final_level(more, order, "utility") == final_level(CELLS, order, "utility")


@pytest.mark.parametrize("gone", [0, 2, 4, 5])
def test_a_missing_score_leaves_no_stability(gone: int) -> None:
    for replacement in ([], [cell(CELLS[gone].task, CELLS[gone].after, None)]):
        left = [*CELLS[:gone], *replacement, *CELLS[gone + 1 :]]
        assert stability(left, ["A", "B", "C"], "utility") is None
        assert (final_level(left, ["A", "B", "C"], "utility") is None) == (CELLS[gone].after == "C")


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # from the closed form, as in Newcombe 1998, table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_against_published_values(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_of_nothing() -> None:
    assert wilson(0, 0) is None


def test_a_clustered_mean_counts_samples_and_resamples_clusters() -> None:
    found = clustered_mean([1, 1, 1, 0], ["a", "a", "a", "b"], resamples=500)
    assert found == (0.75, (0.0, 1.0))  # of two clusters: both, or one of them twice
    assert clustered_mean([], [], resamples=500) is None
    dice = np.random.default_rng(0)
    shared = dice.normal(size=40).repeat(25)  # 1000 samples, but only 40 of them tell anything new
    mean, (low, high) = clustered_mean(
        list(shared), [str(n) for n in range(40) for _ in range(25)], resamples=2000
    )
    assert mean == pytest.approx(shared.mean(), abs=1e-6)
    assert (high - low) / 2 == pytest.approx(1.96 * shared.std() / 40**0.5, rel=0.15)


def test_intervals_over_seeds_cover_as_they_say() -> None:
    assert mean_over_seeds([0.5]) == (0.5, None)
    assert mean_over_seeds([1.0, 2.0, 3.0]) == (
        2.0,
        (pytest.approx(2 - 4.302653 / 3**0.5), pytest.approx(2 + 4.302653 / 3**0.5)),
    )
    dice = np.random.default_rng(0)
    for runs in (2, 3, 10, 20):
        intervals = [mean_over_seeds(list(dice.normal(size=runs)))[1] for _ in range(2000)]
        assert np.mean([low < 0 < high for low, high in intervals]) == pytest.approx(
            0.95, abs=0.015
        )


def test_twenty_seeds_have_an_interval() -> None:
    values = [float(n) for n in range(20)]
    # 2.0930 is the 97.5% point of Student's t at 19 degrees of freedom; the variance of 0..19 is 35.
    half = 2.0930 * 35**0.5 / 20**0.5
    mean, interval = mean_over_seeds(values)
    assert mean == 9.5
    assert interval == pytest.approx((9.5 - half, 9.5 + half), abs=1e-3)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    dice = np.random.default_rng(3)
    hard = [int(x) for x in dice.integers(0, 2, 60)]  # facts that are hard are hard for both
    a = [Scored(str(n), 2 * h, {}) for n, h in enumerate(hard)]
    b = [Scored(str(n), 2 * h if n % 6 else 0, {}) for n, h in enumerate(hard)]
    found = paired_difference(a, b, resamples=500)
    assert found["n"] == 60
    assert found["difference"] == pytest.approx(
        score_of(a, resamples=100)["score"] - score_of(b, resamples=100)["score"]
    )
    low, high = found["ci95"]
    assert 0 <= low < found["difference"] < high
    assert high - low < np.ptp(score_of(a, resamples=500)["ci95"])


def test_no_pair_has_no_difference() -> None:
    rows = [Scored("f", None, {})], [Scored("f", 2, {})]
    assert paired_difference(*rows, resamples=100) == {"difference": None, "ci95": None, "n": 0}


def test_every_direction_has_its_arrow() -> None:
    assert marked("Stability", "stability") == "Stability↓"
    assert marked("Final", "final") == "Final↑"
    assert set(BETTER.values()) == {"higher", "lower"}
