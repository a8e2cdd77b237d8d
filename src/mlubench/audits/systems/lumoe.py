"""LUMoE as it is served, and its gate alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from mlubench.audits.attack import Ask
from mlubench.audits.systems.queries import gate_query_of, query_of
from mlubench.audits.systems.system import Read, Reader, Said, System, behind_gate
from mlubench.audits.weights import batch_of
from mlubench.core.errors import MlubenchError
from mlubench.experiment.learners.lumoe import LumoeLearner
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from mlubench.models.query import Query
from mlubench.types import Route, Sample, Split


class LumoeSystem(System):
    """LUMoE as it is served: gate, experts and second look."""

    # Whether experts say what they say, without the second look.
    experts_alone = False

    def _mount(self, done: list[str]) -> None:
        learner = LumoeLearner(self.ctx)
        learner.at(done)
        self.engine = learner.engine

    def _matrices(self) -> list[Tensor]:
        """The experts' too."""
        return [*super()._matrices(), *self._adapters()]

    @contextmanager
    def relearned(self, split: Split, facts: int, steps: int) -> Iterator[None]:
        """Inside, each expert was trained for so many steps on facts of its task. The second look is left out."""
        self.experts_alone = True
        try:
            with super().relearned(split, facts, steps):
                yield
        finally:
            self.experts_alone = False

    def _adapters(self) -> list[Tensor]:
        return [self.engine.experts.matrix(name).values for name in self.engine.experts]

    def _trained_apart(self) -> list[Sequence[str]]:
        """Each expert learns from its own task."""
        return [(task,) for task in self.ctx.order]

    def _step_loss(self, lessons: Sequence[Sample], step: int) -> Tensor:
        """The losses of all experts, each on lessons of its own task. None has a share in another's."""
        by_task: dict[str, list[Sample]] = {}
        for lesson in lessons:
            by_task.setdefault(lesson.task, []).append(lesson)
        losses = []
        for task, of_task in by_task.items():
            batch = batch_of(of_task, step)
            own = Route((self.engine.expert_for[task],), None, 1.0, "relearning")
            with self.engine.answering([own] * len(batch)):
                losses.append(self._loss_on(batch))
        return torch.stack(losses).sum()

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        queries = [query_of(ask) for ask in asks]
        routes = self.engine.routes([gate_query_of(ask) for ask in asks])
        drafts = self._drafts(queries, routes, asks[0].begun)
        if self.experts_alone:
            pairs = zip(drafts, routes, strict=True)
            return [behind_gate(draft, route) for draft, route in pairs]
        limit = self.ctx.config.evaluate.max_new_tokens
        replies = self.engine.leaving(queries, routes, drafts, max_new_tokens=limit)
        return [
            behind_gate(reply.text, route) for reply, route in zip(replies, routes, strict=True)
        ]

    def read(
        self, asks: Sequence[Ask], texts: Sequence[str], reader: Reader[Read]
    ) -> list[Read | None]:
        routes = self._routes_to_models(asks)
        queries = [query_of(ask) for ask in asks]
        found: list[Read | None] = [None] * len(asks)
        for rows in self.engine.passes(queries, routes):
            with self.engine.answering([routes[row] for row in rows]):
                read = reader(
                    self.ctx.mllm, [queries[row] for row in rows], [texts[row] for row in rows]
                )
            for row, of_row in zip(rows, read, strict=True):
                found[row] = of_row
        return found

    def _routes_to_models(self, asks: Sequence[Ask]) -> list[Route]:
        """The routes of queries; refused where no model answers. Raises MlubenchError where the gate failed."""
        routes = self.engine.routes([gate_query_of(ask) for ask in asks])
        for route in routes:
            if route.failed:
                raise MlubenchError(route.why, "What was asked so far is kept: audit again later.")
        return routes

    def _drafts(self, queries: Sequence[Query], routes: Sequence[Route], begun: str) -> list[str]:
        drafts = [GATE_REFUSAL] * len(queries)
        for rows in self.engine.passes(queries, routes):
            with self.engine.answering([routes[row] for row in rows]):
                texts = self._generate([queries[row] for row in rows], begun)
            for row, text in zip(rows, texts, strict=True):
                drafts[row] = text
        return drafts


class GateOnlySystem(LumoeSystem):
    """LUMoE's gate and second look, with one fixed sentence in the place of every expert."""

    def _adapters(self) -> list[Tensor]:
        return []

    def _batch(self, asks: Sequence[Ask]) -> list[Said]:
        queries = [query_of(ask) for ask in asks]
        routes = self.engine.routes([gate_query_of(ask) for ask in asks])
        said = [behind_gate(GATE_REFUSAL, route) for route in routes]
        rows = [row for row, route in enumerate(routes) if not route.experts and not route.refused]
        to_base = [routes[row] for row in rows]
        asked = [queries[row] for row in rows]
        drafts = self._drafts(asked, to_base, asks[0].begun)
        looks = self.engine.second_looks(asked, drafts, to_base)
        for row, draft, look in zip(rows, drafts, looks, strict=True):
            if look is None:
                said[row] = Said(draft, ())
        return said

    def _routes_to_models(self, asks: Sequence[Ask]) -> list[Route]:
        """Where an expert would answer, a sentence does, and no probability can be read."""
        routes = super()._routes_to_models(asks)
        return [replace(route, refused=True) if route.experts else route for route in routes]
