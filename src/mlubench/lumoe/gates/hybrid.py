"""A gate that looks and reads: the picture by a learned metric, the question by names, and the experts of both."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.gates.mention import MentionGate
from mlubench.lumoe.gates.metric import MetricGate
from mlubench.lumoe.gates.metric_state import has_metric
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.lumoe.gates.statement import Statement
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Task


class HybridGate(Gate):
    """The union of what picture and question ask for; a query without a picture is routed by its text alone."""

    name = "hybrid"

    def __init__(self) -> None:
        # An older folder holds a `prototype` gate in its place.
        self.picture: MetricGate | PrototypeGate = MetricGate()
        self.text = MentionGate()

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.picture = MetricGate()
        self.picture.fit(tasks, benchmark, features, config)
        self.text.fit(tasks, benchmark, features, config)

    def fit_next(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        if not isinstance(self.picture, MetricGate):
            self.picture = MetricGate()
        self.picture.fit_next(tasks, benchmark, features, config)
        self.text.fit_next(tasks, benchmark, features, config)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        by_picture = self.picture.route(queries, features)
        by_text = self.text.route(queries, features)
        both = zip(queries, by_picture, by_text, strict=True)
        return [_union(query, picture, text) for query, picture, text in both]

    def look(self, pictures: Sequence[Path], features: Features) -> None:
        if isinstance(self.picture, MetricGate):
            self.picture.look(pictures, features)

    def statement(self) -> Statement | None:
        return self.picture.statement() if isinstance(self.picture, MetricGate) else None

    @classmethod
    def saved_bytes(cls, width: int) -> int:
        return MetricGate.saved_bytes(width)

    def save(self, folder: Path) -> None:
        self.picture.save(folder)
        self.text.save(folder)

    def load(self, folder: Path) -> None:
        self.picture = MetricGate() if has_metric(folder) else PrototypeGate()
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
