"""The gate that is told the entity: the upper bound of any gate, always reported apart."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import RootModel

from mlubench.core.errors import UsageError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.gates.saved import HINT, ExpertOf
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Task


class SavedOracle(RootModel[ExpertOf]):
    """The state of the gate."""


class OracleGate(Gate):
    """Looks the true entity up. It cannot answer for a query whose entity nobody knows."""

    name = "oracle"

    def __init__(self) -> None:
        self.expert_of: dict[str, str] = {}

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.expert_of = {e.key: task.name for task in tasks for e in task.forget_entities}

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        return [self._route(query) for query in queries]

    def _route(self, query: GateQuery) -> Route:
        if query.entity is None:
            raise UsageError(
                "the oracle gate needs the true entity", "Use another gate for open questions."
            )
        key = query.entity.key
        if key not in self.expert_of:
            return Route((), None, 0.0, "told the entity")
        return Route((self.expert_of[key],), key, 1.0, "told the entity")

    def save(self, folder: Path) -> None:
        write_json(folder / "oracle.json", self.expert_of)

    def load(self, folder: Path) -> None:
        state = read_json(folder / "oracle.json", SavedOracle, HINT)
        self.expert_of = state.root
