"""Every claim can come out either way, by its interval alone."""

import pytest

from mlubench.statistics.bootstrap import Interval
from mlubench.statistics.claims import Outcome, is_more, is_still


@pytest.mark.parametrize(
    ("interval", "more", "still"),
    [
        ((0.06, 0.3), "holds", "does not hold"),
        ((-0.3, 0.04), "does not hold", "holds"),
        ((0.0, 0.3), "cannot be told", "cannot be told"),
        (None, "cannot be told", "cannot be told"),
    ],
)
def test_the_whole_interval_decides(
    interval: Interval | None, more: Outcome, still: Outcome
) -> None:
    assert is_more(0.03, interval) == more
    assert is_still(0.03, interval) == still
