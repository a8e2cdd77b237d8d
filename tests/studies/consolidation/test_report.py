"""How far a score may fall before fewer experts are not adopted."""

import pytest

from mlubench.studies.consolidation.report import compare


def cell(score: float | None, unscored: int = 0) -> dict:
    return {
        "task": "A",
        "metric": "utility",
        "score": score,
        "ci95": None,
        "n": 4,
        "unscored": unscored,
    }


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (cell(0.9), cell(0.88), None),
        (cell(0.9), cell(0.87), "falls from 0.900 to 0.870"),
        (cell(0.9), cell(1.0, 1), "could not be judged"),
        (cell(0.9), cell(None, 4), "could not be judged"),
        (cell(None, 4), cell(None, 4), None),
    ],
)
def test_the_bound(before: dict, after: dict, said: str | None) -> None:
    (row,) = compare([before], [after], 0.02)
    assert row["why"] is None if said is None else said in row["why"]
