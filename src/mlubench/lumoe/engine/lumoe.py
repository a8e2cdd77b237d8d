"""Routed answers: each query goes to its experts on the one base, and one batch holds rows for any of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from threading import RLock
from typing import Any, TypeVar

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.mixing import Need, mixed
from mlubench.lumoe.engine.requests import Answer, Request, answer_all
from mlubench.lumoe.engine.residents import Residents
from mlubench.lumoe.engine.router import carried, route_all
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.models.adapters import mounted, no_sum
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM, Query
from mlubench.models.probe import answer_probabilities
from mlubench.settings.gates import OnError
from mlubench.types import Route

T = TypeVar("T")
# The answer to a query whose gate failed; it says nothing of the picture, which nobody has looked at.
GATE_REFUSAL = "I'm sorry, but I am unable to answer that question."


@dataclass(eq=False)
class LUMoE:
    """The base, its experts, and the gate in front of them. One batch at a time: threads wait for one another.

    `experts` are those that are stacked in memory; an adapter that PEFT has mounted counts as an expert too.
    `disabled` names experts that are switched off. What needs one of them is refused, never quietly answered without it.
    `weights` are factors on the experts where a query hits several; an expert alone always counts whole.
    `merged` names the expert that stands for one that the gate names, where it is another since a consolidation.
    """

    mllm: MLLM
    gate: Gate
    features: FeatureCache
    on_error: OnError = "refuse"
    disabled: frozenset[str] = frozenset()
    weights: Mapping[str, float] = field(default_factory=dict)
    merged: Mapping[str, str] = field(default_factory=dict)
    experts: Residents = field(init=False)
    _turn: RLock = field(default_factory=RLock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.experts = Residents(self.mllm)

    def routes(self, queries: Sequence[GateQuery]) -> list[Route]:
        """One route a query. A gate that fails ends nothing: its queries are refused, or go to the base.


        Refused too is a query whose experts cannot be added up, since each has trained the same part whole.
        """
        found = route_all(self.gate, queries, self.features, self.on_error)
        return [self._summed(carried(route, self.merged)) for route in found]

    def _summed(self, route: Route) -> Route:
        why = no_sum(self.mllm, route.experts, dict(self.need(route)))
        return replace(route, refused=True, why=f"{route.why}; {why}; refused") if why else route

    def need(self, route: Route) -> Need:
        """The experts of a route, each with the factor that counts for it."""
        return tuple(
            (e, self.weights.get(e, 1.0) if len(route.experts) > 1 else 1.0) for e in route.experts
        )

    def require(self, routes: Sequence[Route]) -> None:
        """Raises MlubenchError naming the experts that the routes need and that are disabled, or not there at all."""
        needed = {e for r in routes for e in r.experts}
        if off := sorted(needed & self.disabled):
            raise MlubenchError(
                f"the query needs expert {', '.join(map(repr, off))}, which is disabled",
                "Switch it on with `mlubench experts enable`, or ask the base in its place with `mlubench ask --base`.",
            )
        there = sorted({*self.experts, *getattr(self.mllm.model, "peft_config", {})})
        if absent := sorted(needed - set(there)):
            raise MlubenchError(
                f"no expert {', '.join(map(repr, absent))} is to hand",
                f"There are: {', '.join(there) or 'none'}.",
            )

    def without_disabled(self, routes: Sequence[Route]) -> list[Route]:
        """The routes with disabled experts left out, each saying so. Only for who has asked for it in so many words."""
        return [self._without_disabled(route) for route in routes]

    def _without_disabled(self, route: Route) -> Route:
        off = [e for e in route.experts if e in self.disabled]
        if not off:
            return route
        why = f"{route.why}; expert {', '.join(off)} is disabled and left out, as asked"
        return replace(
            route, experts=tuple(e for e in route.experts if e not in self.disabled), why=why
        )

    def passes(self, queries: Sequence[Query], routes: Sequence[Route]) -> list[list[int]]:
        """The rows of each pass through the model, in its order; refused queries are in none.

        One pass holds all rows with a picture, one all without: those of the base, then those of each expert. Rows whose
        experts PEFT has mounted have a pass of their own.
        """
        rows = [n for n, route in enumerate(routes) if not route.refused]
        order = sorted(
            (self._apart(routes[n]), queries[n].image is None, self._stacked(routes[n]), n)
            for n in rows
        )
        return [[n for *_, n in same] for _, same in groupby(order, key=lambda x: x[:2])]

    def _apart(self, route: Route) -> Need:
        return tuple((e, factor) for e, factor in self.need(route) if e not in self.experts)

    def _stacked(self, route: Route) -> Need:
        return tuple((e, factor) for e, factor in self.need(route) if e in self.experts)

    @contextmanager
    def answering(self, routes: Sequence[Route]) -> Iterator[None]:
        """Each row of the batch inside gets the sum of its route's experts. The rows are those of one of the `passes`."""
        apart = {self._apart(route) for route in routes}
        if len(apart) > 1:
            raise ValueError("the rows of a pass need different adapters of PEFT")
        mount = dict(apart.pop()) if apart else {}
        needs = [self._stacked(route) for route in routes]
        with (
            self._turn,
            mounted(self.mllm, list(mount), mount),
            mixed(self.mllm, self.experts, needs),
        ):
            yield

    def generate(
        self,
        queries: Sequence[Query],
        routes: Sequence[Route],
        *,
        max_new_tokens: int,
        stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Answers in the order of the queries. A query without experts is answered by the untouched base.

        A refused one is answered by a fixed text, and no model is asked. Raises MlubenchError before anything is answered
        when a route needs an expert that is disabled or not there. Once `stop` says so, what is left is cut short.
        """

        def ask(rows: list[int]) -> list[str]:
            return self.mllm.generate(
                [queries[n] for n in rows], max_new_tokens=max_new_tokens, stop=stop
            )

        answers = self._by_pass(queries, routes, ask)
        return [answers.get(n, GATE_REFUSAL) for n in range(len(queries))]

    def truth_probabilities(
        self, queries: Sequence[Query], truths: Sequence[str], routes: Sequence[Route]
    ) -> list[float | None]:
        """How probable each truth is to the experts of its route (see `answer_probabilities`), by the passes of `generate`.

        None for a refused query, which no model is asked. Raises as `generate` does.
        """

        def ask(rows: list[int]) -> list[float | None]:
            return answer_probabilities(
                self.mllm, [queries[n] for n in rows], [truths[n] for n in rows]
            )

        found = self._by_pass(queries, routes, ask)
        return [found.get(n) for n in range(len(queries))]

    def _by_pass(
        self, queries: Sequence[Query], routes: Sequence[Route], ask: Callable[[list[int]], list[T]]
    ) -> dict[int, T]:
        """What `ask` says of the rows of each pass, while their experts answer. Refused queries are in none."""
        self.require([r for _, r in zip(queries, routes, strict=True) if not r.refused])
        found: dict[int, T] = {}
        for rows in self.passes(queries, routes):
            with self.answering([routes[n] for n in rows]):
                found |= dict(zip(rows, ask(rows), strict=True))
        return found

    def answer(
        self, requests: Iterable[Request], *, max_new_tokens: int, **options: Any
    ) -> Iterator[Answer]:
        """Answers as they are finished, of any number of requests: see `mlubench.lumoe.engine.requests.answer_all`."""
        return answer_all(self, requests, max_new_tokens=max_new_tokens, **options)
