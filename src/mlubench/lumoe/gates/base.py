"""What a gate is: it says which experts a query needs, and is told of tasks as they come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from mlubench.config import GateConfig
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

    def fit(self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig) -> None: ...

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]: ...

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...
