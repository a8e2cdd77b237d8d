"""What a gate is: it says which experts a query needs, and is told of tasks as they come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor

from mlubench.endpoint.prices import Spend
from mlubench.lumoe.gates.replies import Answerer, Replies
from mlubench.lumoe.gates.table import GATES
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Route, Task

Features = Callable[[Sequence[Path]], Tensor]  # pictures -> (N, D) float32 on the CPU


@dataclass(frozen=True, slots=True)
class GateQuery:
    """What a gate may look at. `entity` is the truth, which only the oracle reads and no real query has."""

    image: Path | None
    question: str
    entity: Entity | None = None


class Gate(Protocol):
    """A gate is fitted on all tasks unlearned so far; its state is saved beside the newest expert."""

    name: str

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None: ...

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]: ...

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a gate that asks a model needs besides what it is fitted on. `ask_base` asks the untouched base."""

    config: GateConfig = field(default_factory=GateConfig)
    replies: Replies = field(default_factory=Replies)
    ask_base: Answerer | None = None


@runtime_checkable
class Equipped(Protocol):
    """A gate that asks a model."""

    def equip(self, tools: Tools) -> None: ...


@runtime_checkable
class Paid(Protocol):
    """A gate whose replies cost money; `spend` is the account of all that it asked."""

    spend: Spend


@runtime_checkable
class Checked(Protocol):
    """A gate whose settings can be wrong in a way that only trying shows."""

    def check(self, config: GateConfig) -> None: ...


def make_gate(name: str, tools: Tools) -> Gate:
    """The gate of that name, not yet fitted. Raises UsageError when it lacks what it asks with."""
    gate: Gate = GATES.resolve(name)()
    if isinstance(gate, Equipped):
        gate.equip(tools)
    return gate


def check_gate(name: str, config: GateConfig) -> None:
    """Raises UsageError for settings with which no query could be routed: to be called before a run does any work."""
    gate = GATES.resolve(name)()
    if isinstance(gate, Checked):
        gate.check(config)
