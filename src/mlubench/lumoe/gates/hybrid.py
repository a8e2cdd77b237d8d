"""A gate that looks and reads: the picture by prototypes, the question by names, and the experts of both."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.gates.mention import MentionGate
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Task


class HybridGate(Gate):
    """The union of what picture and question ask for; a query without a picture is routed by its text alone."""

    name = "hybrid"

    def __init__(self) -> None:
        self.picture, self.text = PrototypeGate(), MentionGate()

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.picture.fit(tasks, benchmark, features, config)
        self.text.fit(tasks, benchmark, features, config)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        seen, read = self.picture.route(queries, features), self.text.route(queries, features)
        return [_union(q, a, b) for q, a, b in zip(queries, seen, read, strict=True)]

    @classmethod
    def saved_bytes(cls, width: int) -> int:
        return PrototypeGate.saved_bytes(width)

    def save(self, folder: Path) -> None:
        self.picture.save(folder)
        self.text.save(folder)

    def load(self, folder: Path) -> None:
        self.picture.load(folder)
        self.text.load(folder)


def _union(query: GateQuery, seen: Route, read: Route) -> Route:
    """The score is the picture's margin; a name in the text raises it, as it is a hit whatever the picture shows."""
    if query.image is None:
        return Route(read.experts, read.entity, read.score, f"text: {read.why}; no picture")
    experts = tuple(sorted({*seen.experts, *read.experts}))
    score = max(seen.score, read.score) if read.experts else seen.score
    return Route(
        experts, seen.entity or read.entity, score, f"picture: {seen.why}; text: {read.why}"
    )
