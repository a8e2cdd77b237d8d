"""Each claim holds, fails and stays open on runs that were written to make it so."""

from pathlib import Path

import pytest

from mlubench.core.errors import UsageError
from mlubench.report.claims_table import claim_tables, claims_markdown
from mlubench.statistics.claims import ClaimRow, Claims
from mlubench.studies.claims.rules import (
    BASELINES,
    DECAY,
    IDLE,
    PICTURES,
    SCOPE,
    STABILITY,
    claims_of,
)
from support.seed_runs import falling, steady, write_run


def row_of(claims: Claims, claim: str, method: str, metric: str = "utility") -> ClaimRow:
    return next(
        row
        for row in claims["rows"]
        if (row["claim"], row["method"], row["metric"]) == (claim, method, metric)
    )


def test_decay_holds_or_not_and_what_is_at_the_bottom_tells_nothing(tmp_path: Path) -> None:
    levels = {"ga": falling(0.9, 0.2), "npo": steady(0.0), "lumoe": steady(0.9)}
    found = claims_of([write_run(tmp_path / "falls", levels)], resamples=100)
    assert row_of(found, DECAY, "ga")["value"] == pytest.approx(0.7)
    assert row_of(found, DECAY, "ga")["outcome"] == "holds"
    assert row_of(found, DECAY, "npo")["outcome"] == "cannot be told"
    mean = row_of(found, DECAY, BASELINES)
    assert (mean["value"], mean["outcome"]) == (pytest.approx(0.7), "holds")
    assert mean["why"] == "left out: NPO"
    stays = claims_of([write_run(tmp_path / "stays", {"ga": steady(0.9)})], resamples=100)
    assert row_of(stays, DECAY, BASELINES)["outcome"] == "does not hold"


def as_the_base(metric: str, task: str, after: str) -> float:
    return 0.98 if metric == "utility" else 0.02


def test_who_unlearned_nothing_tells_nothing(tmp_path: Path) -> None:
    idle = write_run(tmp_path / "idle", {"ga": as_the_base, "po": steady(0.9)})
    found = claims_of([idle], resamples=100)
    assert row_of(found, DECAY, "ga")["why"] == IDLE
    assert row_of(found, DECAY, "ga")["outcome"] == "cannot be told"
    assert row_of(found, DECAY, BASELINES)["value"] == row_of(found, DECAY, "po")["value"]
    harmed = {"ga": steady(0.1), "po": steady(0.1)}
    vision = write_run(tmp_path / "vision", harmed, settings=("train.scope=vision",))
    found = claims_of([idle, vision], resamples=100)
    assert row_of(found, SCOPE, "ga")["outcome"] == "cannot be told"
    assert row_of(found, SCOPE, "po")["outcome"] == "holds"
    assert row_of(found, SCOPE, BASELINES)["why"] == "left out: GA"


def test_seeds_are_pooled_and_their_spread_counts(tmp_path: Path) -> None:
    falls = write_run(tmp_path / "0", {"ga": falling(0.9, 0.1)}, seed=0)
    stays = write_run(tmp_path / "1", {"ga": falling(0.9, 0.9)}, seed=1)
    row = row_of(claims_of([falls, stays], resamples=200), DECAY, "ga")
    assert (row["value"], row["seeds"]) == (pytest.approx(0.4), 2)
    assert row["ci95"] == (0.0, 0.8)
    assert row["outcome"] == "cannot be told"


def test_scopes_and_pictures_are_compared_where_both_were_run(tmp_path: Path) -> None:
    usual = write_run(tmp_path / "usual", {"ga": steady(0.8)})
    vision = ("train.scope=vision", "train.per_method.ga.lr=0.1")
    broken = write_run(tmp_path / "vision", {"ga": steady(0.1)}, settings=vision)
    blind = write_run(tmp_path / "blind", {"ga": steady(0.79)}, settings=("train.images=blind",))
    found = claims_of([usual, broken, blind], resamples=100)
    assert row_of(found, SCOPE, "ga")["value"] == pytest.approx(0.7)
    assert row_of(found, SCOPE, BASELINES)["outcome"] == "holds"
    assert row_of(found, PICTURES, BASELINES)["outcome"] == "does not hold"
    alone = claims_of([usual], resamples=100)
    assert {row["claim"] for row in alone["rows"]} == {DECAY}


def test_lumoe_is_stable_only_alive(tmp_path: Path) -> None:
    found = claims_of([write_run(tmp_path / "alive", {"lumoe": steady(0.9)})], resamples=100)
    row = row_of(found, STABILITY, "lumoe")
    assert (row["outcome"], row["why"]) == ("holds", "after the last task 0.90")
    found = claims_of([write_run(tmp_path / "dead", {"lumoe": steady(0.1)})], resamples=100)
    assert row_of(found, STABILITY, "lumoe")["outcome"] == "does not hold"
    moves = claims_of([write_run(tmp_path / "moves", {"lumoe": falling(1.0, 0.8)})], resamples=100)
    assert row_of(moves, STABILITY, "lumoe")["outcome"] == "does not hold"


def test_runs_that_are_no_seeds_of_one_setting_are_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"ga": steady(0.9)})
    same = write_run(tmp_path / "same", {"ga": steady(0.9)})
    other = write_run(tmp_path / "other", {"ga": steady(0.9)}, seed=1, settings=("train.epochs=1",))
    with pytest.raises(UsageError, match="runs of the same seed"):
        claims_of([one, same])
    with pytest.raises(UsageError, match=r"differ in train\.epochs"):
        claims_of([one, other])
    with pytest.raises(UsageError, match="'gpt' has not judged"):
        claims_of([one], judge="gpt")


def test_the_paper_stands_beside_the_runs(tmp_path: Path) -> None:
    found = claims_of([write_run(tmp_path / "run", {"ga": falling(0.9, 0.2)})], resamples=100)
    (table,) = claim_tables(found)
    assert table.head == ["Metric", "Method", "smoke (1 seed, 8 entities)", "Paper"]
    assert table.lines[-1] == [
        "Utility",
        "GA",
        "+0.70 (+0.70 to +0.70): holds",
        "+0.11 (main table)",
    ]
    page = claims_markdown(found)
    assert f"### {DECAY}" in page
    assert found["rule"] in page
