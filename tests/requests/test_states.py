"""A request goes from state to state in one direction, and out at every point."""

import pytest

from mlubench.core.errors import UsageError
from mlubench.requests.states import FOLLOWS, IN_EFFECT, require_step


def test_whatever_is_in_effect_can_be_taken_out() -> None:
    for state in IN_EFFECT:
        require_step(state, "reverted", "req-1")


def test_what_has_ended_stays_ended() -> None:
    assert FOLLOWS["rejected"] == FOLLOWS["reverted"] == ()


def test_a_step_that_does_not_follow_says_what_can() -> None:
    with pytest.raises(UsageError, match=r"req-1 is received, and active .*: verified, rejected"):
        require_step("received", "active", "req-1")
