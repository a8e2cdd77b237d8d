"""What a person is shown before deciding is what the gate then does, and nothing is in effect by looking."""

from pathlib import Path

import pytest

from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.gates.base import GateQuery
from mlubench.requests.desk import Desk
from mlubench.requests.measured import Rate, missed_by_gate
from mlubench.requests.settings import Bounds
from mlubench.requests.states import StateError
from support.requests import ENTITY, QUESTION


def test_a_preview_is_what_the_gate_does_once_the_request_is_approved(
    desk: Desk, sent: Path
) -> None:
    row, _ = desk.submit(ENTITY, sent)
    found = desk.preview(row.id)
    assert desk.place.now().in_force is None
    assert found.missed_bounds == ()
    assert (found.over_refusal.value, found.over_refusal.n) == (0, 18)
    assert (found.strangers.value, found.strangers.n) == (0, 36)
    assert (found.by_name.value, found.by_name.n) == (0, 1)
    assert found.forecast.n == 7

    desk.approve(row.id)
    engine = LUMoE.open(desk.place.path, desk.mllm)
    routes = engine.routes([GateQuery(path, QUESTION) for path in sorted(sent.iterdir())])
    assert (found.leak.value, found.leak.n) == (0, 3)
    assert all(route.refused for route in routes)
    with pytest.raises(StateError, match="is verified, and was decided already"):
        desk.preview(row.id)


def test_bounds_of_the_gate_are_named_one_by_one() -> None:
    none = Rate(value=0.0, ci95=(0.0, 0.1), n=30)
    many = Rate(value=0.5, ci95=(0.3, 0.7), n=30)
    assert missed_by_gate(none, none, none, Bounds()) == []
    assert missed_by_gate(many, none, many, Bounds()) == [
        "the gate misses 0.50 [0.30, 0.70] of 30 of its pictures",
        "the gate takes 0.50 [0.30, 0.70] of 30 other pictures for it",
    ]
