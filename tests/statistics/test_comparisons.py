"""Paired differences between methods: what they pair, and what they leave out."""

from mlubench.statistics.comparisons import compare
from mlubench.statistics.scores import Scored


def scored(scores: dict[str, int | None]) -> dict[str, dict[str, Scored]]:
    return {"utility": {i: Scored(f"fact {i}", s, {}) for i, s in scores.items()}}


CELLS = {
    ("ga", "A"): scored({"1": 0, "2": 1, "3": None, "4": 0}),
    ("lumoe", "A"): scored({"1": 2, "2": 1, "3": 2, "5": 2}),
    ("ga", "B"): scored({"6": 2}),
    ("lumoe", "B"): scored({"6": 2}),
}


def test_only_what_both_have_scored_counts() -> None:
    rows = compare(lambda m, t: CELLS[m, t], ["ga", "lumoe"], ["A", "B"], resamples=200)
    assert [
        (r["metric"], r["task"], r["after"], r["a"], r["b"], r["difference"], r["n"]) for r in rows
    ] == [
        ("utility", "A", "B", "ga", "lumoe", -0.5, 2),
        ("utility", "B", "B", "ga", "lumoe", 0.0, 1),
        ("utility", "all", "B", "ga", "lumoe", -0.333333, 3),
    ]
    assert rows[0]["ci95"] == (-1.0, 0.0)


def test_a_method_that_was_not_tested_is_compared_with_nothing() -> None:
    cells = {**CELLS, ("lumoe", "B"): {}}
    rows = compare(lambda m, t: cells[m, t], ["ga", "lumoe"], ["A", "B"], resamples=100)
    assert [r["task"] for r in rows] == ["A"]
