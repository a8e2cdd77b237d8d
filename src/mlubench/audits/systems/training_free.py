"""The base behind a gate that nothing was trained for."""

from collections.abc import Sequence

from mlubench.audits.attack import Ask
from mlubench.audits.systems.queries import gate_query_of, query_of
from mlubench.audits.systems.system import Read, Reader, Said, System, behind_gate
from mlubench.experiment.learners.base import Base
from mlubench.experiment.training_free import gate_after, looks_of
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from mlubench.lumoe.engine.router import route_all
from mlubench.types import Route


class TrainingFreeSystem(System):
    """The base behind a gate that nothing was trained for, with one fixed sentence for what the gate stops."""

    def _mount(self, done: list[str]) -> None:
        Base(self.ctx).at([])
        self.looks = looks_of(self.ctx)
        self.gate = gate_after(self.ctx, done, self.looks)

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        routes = self._routes(asks)
        said = [behind_gate(GATE_REFUSAL, route) for route in routes]
        rows = [row for row, route in enumerate(routes) if not _is_stopped(route)]
        if rows:
            texts = self._generate([query_of(asks[row]) for row in rows], asks[0].begun)
            for row, text in zip(rows, texts, strict=True):
                said[row] = Said(text, ())
        return said

    def read(
        self, asks: Sequence[Ask], texts: Sequence[str], reader: Reader[Read]
    ) -> list[Read | None]:
        found: list[Read | None] = [None] * len(asks)
        rows = [row for row, route in enumerate(self._routes(asks)) if not _is_stopped(route)]
        if rows:
            queries = [query_of(asks[row]) for row in rows]
            read = reader(self.ctx.mllm, queries, [texts[row] for row in rows])
            for row, of_row in zip(rows, read, strict=True):
                found[row] = of_row
        return found

    def _routes(self, asks: Sequence[Ask]) -> list[Route]:
        queries = [gate_query_of(ask) for ask in asks]
        return route_all(self.gate, queries, self.looks, self.ctx.config.gates.on_error)


def _is_stopped(route: Route) -> bool:
    """Whether no model answers behind a gate without experts."""
    return bool(route.experts) or route.refused
