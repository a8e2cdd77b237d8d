"""A sweep's summary against arithmetic done by hand."""

from typing import Any

import pytest

from mlubench.runs.results import Results, parse_results
from mlubench.studies.sweep.summary import summarise

T1 = 12.7062  # 97.5% point of Student's t with one degree of freedom


def results(
    scores: list[float | None], *, method: str = "npo", final: float | None, moved: float | None
) -> Results:
    """results.json of one method; `scores` are utility's cells, forget quality's are all 0.5."""
    head = {"method": method, "judge": "rules", "task": "A", "after": "B"}
    cells = [{**head, "metric": "utility", "score": score} for score in scores]
    cells += [{**head, "metric": "forget_quality", "score": 0.5} for _ in scores]
    summary = {
        "method": method,
        "judge": "rules",
        "final": {"utility": final, "forget_quality": 0.5},
        "stability": {"utility": moved, "forget_quality": 0.0},
    }
    return parse_results({"schema_version": 1, "summary": [summary], "cells": cells})


def utility(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["metric"] == "utility"]


def test_mean_and_interval_over_two_seeds() -> None:
    runs = [
        ({"seed": 0, "train.lr": 1}, 0, results([0.9, 0.6, 0.3], final=0.4, moved=0.2)),
        ({"seed": 1, "train.lr": 1}, 1, results([1.0, 0.8, 0.6], final=0.6, moved=0.2)),
    ]
    (row,) = utility(summarise(runs))
    assert (row["settings"], row["method"], row["judge"], row["seeds"]) == (
        {"train.lr": 1},
        "npo",
        "rules",
        [0, 1],
    )
    half = T1 * 0.1  # of 0.4 and 0.6: standard deviation 0.1 sqrt 2, divided by sqrt 2
    final = row["final"]
    assert (final["mean"], final["n"], final["values"]) == (0.5, 2, [0.4, 0.6])
    assert final["ci95"] == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    assert row["cells_mean"]["values"] == pytest.approx([0.6, 0.8])
    assert row["cells_mean"]["mean"] == pytest.approx(0.7)
    assert row["cells_mean"]["ci95"] == pytest.approx((0.7 - half, 0.7 + half), abs=1e-6)
    assert (row["stability"]["mean"], row["stability"]["ci95"]) == (0.2, (0.2, 0.2))


def test_one_seed_has_no_interval() -> None:
    for row in summarise([({}, 0, results([0.9], final=0.9, moved=0.0))]):
        assert row["seeds"] == [0]
        for name in ("final", "cells_mean", "stability"):
            assert (row[name]["n"], row[name]["ci95"]) == (1, None)


def test_other_settings_and_methods_are_rows_of_their_own() -> None:
    runs = [
        (
            {"benchmark.order": order, "seed": seed},
            seed,
            results([0.5], method=method, final=final, moved=0.0),
        )
        for order, final in ((["A", "B"], 0.2), (["B", "A"], 0.4))
        for method in ("npo", "lumoe")
        for seed in (0, 1)
    ]
    rows = utility(summarise(runs))
    found = [
        (
            "".join(r["settings"]["benchmark.order"]),
            r["method"],
            r["final"]["mean"],
            r["final"]["n"],
        )
        for r in rows
    ]
    assert found == [
        ("AB", "npo", 0.2, 2),
        ("AB", "lumoe", 0.2, 2),
        ("BA", "npo", 0.4, 2),
        ("BA", "lumoe", 0.4, 2),
    ]


def test_what_was_not_scored_is_left_out_and_counted() -> None:
    runs = [
        ({"seed": 0}, 0, results([0.9, None], final=None, moved=None)),
        ({"seed": 1}, 1, results([0.4, 0.6], final=0.5, moved=0.1)),
    ]
    (row,) = utility(summarise(runs))
    assert row["seeds"] == [0, 1]
    assert row["final"] == {"mean": 0.5, "ci95": None, "n": 1, "values": [None, 0.5]}
    assert row["cells_mean"] == {"mean": 0.5, "ci95": None, "n": 1, "values": [None, 0.5]}
    (alone,) = utility(summarise(runs[:1]))
    assert alone["stability"] == {"mean": None, "ci95": None, "n": 0, "values": [None]}
    assert summarise([]) == []
