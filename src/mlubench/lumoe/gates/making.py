"""Gates by name: makes one, checks its settings, says which are local."""

from mlubench.core.errors import UsageError
from mlubench.lumoe.gates.base import AskingGate, CheckedGate, Gate, ModelAccess
from mlubench.lumoe.gates.table import GATES
from mlubench.settings.gates import GateConfig

# What a class from outside must have to serve as a gate. `name` may be set when an object is made, so it is not here.
_REQUIRED = ("local", "asks_base", "fit", "route", "save", "load", "saved_bytes")


def gate_class(name: str) -> type[Gate]:
    """The class behind a row of the table. Raises UsageError for a name that is not there, or a class that is no gate."""
    found: type[Gate] = GATES.resolve(name)
    missing = [attribute for attribute in _REQUIRED if not hasattr(found, attribute)]
    if missing:
        raise UsageError(
            f"gate {name!r} lacks {', '.join(missing)}",
            "Inherit from mlubench.lumoe.gates.base.Gate and write what it asks for.",
        )
    return found


def make_gate(name: str, access: ModelAccess | None = None) -> Gate:
    """The gate of that name, not yet fitted. Raises UsageError when it lacks what it asks with."""
    gate = gate_class(name)()
    if isinstance(gate, AskingGate):
        gate.connect(access or ModelAccess())
    return gate


def check_gate(name: str, config: GateConfig) -> None:
    """Raises UsageError for settings with which no query could be routed. For the start of a run, before any work."""
    gate = gate_class(name)()
    if isinstance(gate, CheckedGate):
        gate.check(config)


def local_gates() -> list[str]:
    """The names of all gates that ask no model, in the order of the table."""
    return [name for name in GATES if gate_class(name).local]
