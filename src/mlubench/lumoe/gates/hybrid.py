"""A gate that looks and reads: the picture by a learned metric, the question by names, and the experts of both.

Where all that is to be forgotten is asked in words alone it only reads.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlubench.lumoe.gates.base import Features, Gate, GateQuery, NoPicturesError
from mlubench.lumoe.gates.extending import cannot_extend
from mlubench.lumoe.gates.foreseen import Foreseen
from mlubench.lumoe.gates.mention import MentionGate
from mlubench.lumoe.gates.metric import MetricGate
from mlubench.lumoe.gates.metric_state import has_metric
from mlubench.lumoe.gates.prototype import PrototypeGate, has_prototypes
from mlubench.lumoe.gates.statement import Statement
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Task

_NO_METRIC = "it has no metric to see pictures by"


class HybridGate(Gate):
    """The union of what picture and question ask for; a query without a picture is routed by its text alone."""

    name = "hybrid"

    def __init__(self) -> None:
        # An older folder holds a `prototype` gate in its place. None: nothing that is to be forgotten has a picture.
        self.picture: MetricGate | PrototypeGate | None = MetricGate()
        self.text = MentionGate()

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.picture = _fitted(tasks, benchmark, features, config)
        self.text.fit(tasks, benchmark, features, config)

    def fit_next(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        if isinstance(self.picture, MetricGate):
            try:
                self.picture.fit_next(tasks, benchmark, features, config)
            except NoPicturesError:
                self.picture = None
        else:
            self.picture = _fitted(tasks, benchmark, features, config)
        self.text.fit_next(tasks, benchmark, features, config)

    def extend(
        self, task: Task, benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        if any(sample.image for sample in task.forget):
            if not isinstance(self.picture, MetricGate):
                raise cannot_extend(_NO_METRIC)
            self.picture.extend(task, benchmark, features, config)
        self.text.extend(task, benchmark, features, config)

    def keeps(self, entity: str) -> bool:
        # Names are nobody's alone: the gate that reads has room for what must go beside what must stay.
        return isinstance(self.picture, MetricGate) and self.picture.keeps(entity)

    def require_room(self, entity: str, *, has_background: bool) -> None:
        if not isinstance(self.picture, MetricGate):
            raise cannot_extend(_NO_METRIC)
        self.picture.require_room(entity, has_background=has_background)

    def release(
        self, entity: str, benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        if isinstance(self.picture, MetricGate):
            self.picture.release(entity, benchmark, features, config)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        by_picture = [Route((), None, 0.0, "none to compare with")] * len(queries)
        if self.picture is not None:
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
    def saved_bytes(cls, foreseen: Foreseen) -> int:
        return MetricGate.saved_bytes(foreseen)

    def save(self, folder: Path) -> None:
        if self.picture is not None:
            self.picture.save(folder)
        self.text.save(folder)

    def load(self, folder: Path) -> None:
        self.picture = _saved_in(folder)
        if self.picture is not None:
            self.picture.load(folder)
        self.text.load(folder)


def _fitted(
    tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
) -> MetricGate | None:
    """The gate on pictures; None where nothing that is to be forgotten has one."""
    gate = MetricGate()
    try:
        gate.fit(tasks, benchmark, features, config)
    except NoPicturesError:
        return None
    return gate


def _saved_in(folder: Path) -> MetricGate | PrototypeGate | None:
    """The gate on pictures that was saved there, to be loaded."""
    if has_metric(folder):
        return MetricGate()
    return PrototypeGate() if has_prototypes(folder) else None


def _union(query: GateQuery, picture: Route, text: Route) -> Route:
    """The score is the picture's margin. A name in the text raises it, as it is a hit whatever the picture shows."""
    if query.image is None:
        return replace(text, why=f"text: {text.why}; no picture")
    experts = tuple(sorted({*picture.experts, *text.experts}))
    score = max(picture.score, text.score) if text.experts else picture.score
    entity = picture.entity or text.entity
    why = f"picture: {picture.why}; text: {text.why}"
    suspects = [*picture.suspects, *text.suspects]
    if text.entity is not None and text.entity != entity:
        # A route names one entity, and the second look is to know both.
        suspects.append(text.entity)
    return Route(experts, entity, score, why, suspects=tuple(dict.fromkeys(suspects)))
