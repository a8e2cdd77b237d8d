"""Whom a weight file tells of: all where its own stand out, nobody where nothing moved, and the smoke run's experts."""

from pathlib import Path

import pytest

import whom
from mlubench.audits.attack import Ask
from support.runs import Finished

ASKED = [
    *(whom.Shown(f"Animals/{name}", "A", "", Ask("Who?")) for name in "abc"),
    *(whom.Shown(f"Plants/{name}", "", "A", Ask("Who?")) for name in "def"),
    *(whom.Shown(f"Stars/{name}", "", "", Ask("Who?")) for name in "ghi"),
]
OWN = [bool(one.forgotten_by) for one in ASKED]


@pytest.mark.parametrize(("fall_of_own", "auroc"), [(2.0, 1.0), (0.0, 0.5)])
def test_they_are_told_where_their_answers_fall_and_not_otherwise(
    fall_of_own: float, auroc: float
) -> None:
    before = [-1.0] * len(ASKED)
    after = [-1.0 - fall_of_own if own else -1.0 for own in OWN]
    falls = whom.fallen(before, after)
    rows = list(whom.held_against("lumoe: A", ASKED, falls, OWN, whom._others_of("A")))
    assert [row["auroc"] for row in rows] == [auroc] * 3
    assert [row["others"] for row in rows] == [3, 3, 3]


def test_the_smoke_run_has_a_row_for_each_expert_and_kind_of_others(finished: Finished) -> None:
    rows = list(whom.rows(Path(finished.folder)))
    of_experts = [row["system"] for row in rows if row["system"].startswith("lumoe")]
    assert of_experts == ["lumoe: A"] * 3 + ["lumoe: B"] * 3
    assert {row["system"] for row in rows} >= {"ga", "po"}
    for row in rows:
        assert row["forgotten"] > 0 and row["others"] > 0
        assert 0 <= row["auroc"] <= 1
