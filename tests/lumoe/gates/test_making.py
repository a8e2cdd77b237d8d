"""What a gate says of itself, and a gate from outside that says too little."""

from pathlib import Path

import pytest

from mlubench.core.errors import UsageError
from mlubench.lumoe.gates.base import AskingGate, Gate, ModelAccess
from mlubench.lumoe.gates.foreseen import Foreseen
from mlubench.lumoe.gates.making import gate_class, local_gates, make_gate
from mlubench.lumoe.gates.table import GATES


class HalfGate:
    name = "half"

    def route(self) -> None: ...


class NoGate(Gate):
    """A gate from outside that inherits what most gates say of themselves."""

    name = "no"

    def save(self, folder: Path) -> None: ...


def test_a_gate_is_local_unless_it_asks_a_model() -> None:
    assert local_gates() == ["prototype", "metric", "mention", "hybrid", "oracle"]
    access = ModelAccess(ask_base=lambda queries: [""] * len(queries))
    assert not isinstance(make_gate("hybrid", access), AskingGate)
    gate = make_gate("self", access)
    assert isinstance(gate, AskingGate) and not gate.local


def test_picture_gates_save_a_matrix() -> None:
    """Of doubles that whitens, or of floats: directions, other things in four turns, entities in eight guises, pictures."""
    known = Foreseen(features=96, row=64, things=300, entities=7, pictures=20)
    sizes = {name: gate_class(name).saved_bytes(known) for name in GATES}
    metric = 4 * 64 * (64 + 5 * 300 + 9 * 7 + 20)
    assert sizes == {
        "prototype": 8 * 96**2,
        "metric": metric,
        "mention": 0,
        "hybrid": metric,
        "mllm": 0,
        "self": 0,
        "oracle": 0,
    }


def test_a_metric_gate_is_planned_as_it_is_set() -> None:
    known = Foreseen(features=96, row=64, things=300, entities=7, pictures=20, guises=False)
    assert gate_class("metric").saved_bytes(known) == 4 * 64 * (64 + 300 + 7 + 20)
    # Without other things to learn from it is a gate by prototypes.
    assert gate_class("metric").saved_bytes(Foreseen(features=96, row=64)) == 8 * 96**2


def test_a_gate_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GATES, "_rows", dict(GATES._rows))
    GATES.register("half", HalfGate)
    GATES.register("no", NoGate)
    with pytest.raises(
        UsageError, match="gate 'half' lacks local, asks_base, fit, save, load, saved_bytes"
    ):
        make_gate("half")
    assert make_gate("no").local and gate_class("no").saved_bytes(Foreseen(64, 64)) == 0
