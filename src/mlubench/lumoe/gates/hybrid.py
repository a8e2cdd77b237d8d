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
        self.picture = PrototypeGate()
        self.text = MentionGate()

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.picture.fit(tasks, benchmark, features, config)
        self.text.fit(tasks, benchmark, features, config)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        by_picture = self.picture.route(queries, features)
        by_text = self.text.route(queries, features)
        both = zip(queries, by_picture, by_text, strict=True)
        return [_union(query, picture, text) for query, picture, text in both]

    @classmethod
    def saved_bytes(cls, width: int) -> int:
        return PrototypeGate.saved_bytes(width)

    def save(self, folder: Path) -> None:
        self.picture.save(folder)
        self.text.save(folder)

    def load(self, folder: Path) -> None:
        self.picture.load(folder)
        self.text.load(folder)


def _union(query: GateQuery, picture: Route, text: Route) -> Route:
    """The score is the picture's margin. A name in the text raises it, as it is a hit whatever the picture shows."""
    if query.image is None:
        return Route(text.experts, text.entity, text.score, f"text: {text.why}; no picture")
    experts = tuple(sorted({*picture.experts, *text.experts}))
    score = max(picture.score, text.score) if text.experts else picture.score
    entity = picture.entity or text.entity
    why = f"picture: {picture.why}; text: {text.why}"
    return Route(experts, entity, score, why, suspects=picture.suspects)
