"""The time that an answer takes does not tell whether an expert, the base or no model at all gave it."""

import random

import pytest

from mlubench.lumoe.engine.requests import Finished
from mlubench.serving.pace import Pace
from mlubench.types import Route


def finished(*experts: str, fault: str | None = None) -> Finished:
    route = Route(experts, None, 0.0, "told")
    return Finished("I.", "stop", 3, 4, route, fault=fault)


@pytest.mark.parametrize("taken", [0.0, 0.01, 0.2, 0.25])
def test_all_that_fits_a_step_takes_one(taken: float) -> None:
    pace = Pace(0.25)
    for one in (finished(), finished("A")):
        assert taken + pace.seconds_more(one, taken) == pytest.approx(0.25)


def test_a_longer_answer_takes_whole_steps() -> None:
    assert 0.3 + Pace(0.25).seconds_more(finished("A"), 0.3) == pytest.approx(0.5)


def test_a_refusal_that_no_model_gave_takes_as_long_as_an_experts() -> None:
    pace = Pace(0.25, random.Random(0))
    for taken in (1.1, 2.1):
        pace.seconds_more(finished("A"), taken)
    fault = finished(fault="the gate failed")
    seen = {round(0.01 + pace.seconds_more(fault, 0.01), 6) for _ in range(40)}
    # Its own short times are not taken for an expert's.
    assert seen == {1.25, 2.25}


def test_before_any_expert_has_answered_a_step_is_all_there_is() -> None:
    assert Pace(0.5).seconds_more(finished(fault="away"), 0.1) == pytest.approx(0.4)


def test_no_step_holds_nothing() -> None:
    assert Pace(0).seconds_more(finished("A"), 0.3) == 0
