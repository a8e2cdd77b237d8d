"""Routed answers: each query goes to its experts on the one base, and rows that need the same experts share a batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from mlubench.errors import MlubenchError
from mlubench.gate_config import OnError
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.lumoe.gates.replies import Answerer, Reply
from mlubench.lumoe.router import carried, route_all
from mlubench.models.adapters import mounted
from mlubench.models.hf import MLLM, Query
from mlubench.types import Route

# The answer to a query whose gate failed; it says nothing of the picture, which nobody has looked at.
GATE_REFUSAL = "I'm sorry, but I am unable to answer that question."


@dataclass(eq=False)
class FeatureCache:
    """Features of pictures, computed once each: the vision tower is frozen, so they never change."""

    mllm: MLLM
    rows: dict[Path, Tensor] = field(default_factory=dict)

    def __call__(self, pictures: Sequence[Path]) -> Tensor:
        if not pictures:
            return torch.zeros(0, 0)
        missing = sorted({p for p in pictures if p not in self.rows})
        self.rows.update(zip(missing, self.mllm.picture_features(missing), strict=True))
        return torch.stack([self.rows[p] for p in pictures])


def base_asker(mllm: MLLM, *, batch: int = 64, max_new_tokens: int = 24) -> Answerer:
    """Asks the untouched base whatever is mounted on it; an error, not raised, for what it cannot be asked."""

    def answer(queries: Sequence[Query]) -> Iterator[Reply]:
        for start in range(0, len(queries), batch):
            yield from _asked(mllm, queries[start : start + batch], max_new_tokens)

    return answer


def _asked(mllm: MLLM, queries: Sequence[Query], max_new_tokens: int) -> list[Reply]:
    """Replies in order. Where a batch cannot be answered, its queries are asked one by one."""
    replies: dict[int, Reply] = {}
    for seen in (True, False):
        rows = [n for n, q in enumerate(queries) if (q.image is not None) is seen]
        if not rows:
            continue
        try:
            with mounted(mllm, ()):
                texts = mllm.generate([queries[n] for n in rows], max_new_tokens=max_new_tokens)
            replies |= dict(zip(rows, texts, strict=True))
        except MlubenchError as error:
            alone = len(queries) == 1
            replies |= {n: error if alone else _asked(mllm, [queries[n]], max_new_tokens)[0] for n in rows}
    return [replies[n] for n in range(len(queries))]


@dataclass(eq=False)
class LUMoE:
    """The base, its experts (adapters already mounted by name), and the gate in front of them.

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

    def routes(self, queries: Sequence[GateQuery]) -> list[Route]:
        """One route a query. A gate that fails ends nothing: its queries are refused, or go to the base."""
        return [carried(r, self.merged) for r in route_all(self.gate, queries, self.features, self.on_error)]

    def require_enabled(self, routes: Sequence[Route]) -> None:
        """Raises MlubenchError naming the disabled experts that the routes need."""
        if off := sorted({e for r in routes for e in r.experts} & self.disabled):
            raise MlubenchError(
                f"the query needs expert {', '.join(map(repr, off))}, which is disabled",
                "Switch it on with `mlubench experts enable`, or ask the base in its place with `mlubench ask --base`.",
            )

    def without_disabled(self, routes: Sequence[Route]) -> list[Route]:
        """The routes with disabled experts left out, each saying so. Only for who has asked for it in so many words."""
        return [self._without_disabled(route) for route in routes]

    def _without_disabled(self, route: Route) -> Route:
        off = [e for e in route.experts if e in self.disabled]
        if not off:
            return route
        why = f"{route.why}; expert {', '.join(off)} is disabled and left out, as asked"
        return replace(route, experts=tuple(e for e in route.experts if e not in self.disabled), why=why)

    def generate(self, queries: Sequence[Query], routes: Sequence[Route], *, max_new_tokens: int) -> list[str]:
        """Answers in the order of the queries. A query without experts is answered by the untouched base.

        A refused one is answered by a fixed text, and no model is asked. Raises MlubenchError before anything is answered
        when a route needs a disabled expert.
        """
        self.require_enabled(routes)
        groups: dict[tuple[tuple[str, ...], bool], list[int]] = {}
        for row, (query, route) in enumerate(zip(queries, routes, strict=True)):
            if not route.refused:
                groups.setdefault((route.experts, query.image is not None), []).append(row)
        answers = [GATE_REFUSAL] * len(queries)
        for (experts, _), rows in groups.items():
            with mounted(self.mllm, experts, self.weights if len(experts) > 1 else None):
                texts = self.mllm.generate([queries[r] for r in rows], max_new_tokens=max_new_tokens)
            for row, text in zip(rows, texts, strict=True):
                answers[row] = text
        return answers
