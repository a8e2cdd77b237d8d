"""What a gate says of itself, and a gate from outside that says too little."""

from pathlib import Path

import pytest

from mlubench.core.errors import UsageError
from mlubench.lumoe.gates.base import AskingGate, Gate, ModelAccess
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
    """Of doubles that whitens, or of floats for directions and other things, which are kept in four turns too."""
    sizes = {name: gate_class(name).saved_bytes(64) for name in GATES}
    assert sizes == {
        "prototype": 8 * 64**2,
        "metric": 4 * 64 * (64 + 5 * 300),
        "mention": 0,
        "hybrid": 4 * 64 * (64 + 5 * 300),
        "mllm": 0,
        "self": 0,
        "oracle": 0,
    }


def test_a_gate_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GATES, "_rows", dict(GATES._rows))
    GATES.register("half", HalfGate)
    GATES.register("no", NoGate)
    with pytest.raises(
        UsageError, match="gate 'half' lacks local, asks_base, fit, save, load, saved_bytes"
    ):
        make_gate("half")
    assert make_gate("no").local and gate_class("no").saved_bytes(64) == 0
