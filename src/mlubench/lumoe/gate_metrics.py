"""How good a gate is, measured on test pictures that it was neither fitted nor calibrated on."""

import time
from collections.abc import Sequence
from typing import Any

from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.scores import auroc, wilson
from mlubench.types import Benchmark, Route, Sample, Task


def gate_report(
    gate: Gate, tasks: Sequence[Task], benchmark: Benchmark, features: Features, test: Sequence[Sample]
) -> dict[str, Any]:
    """Leak, over-refusal and wrong-expert rates with 95% Wilson intervals, AUROC, and the median latency of a query.

    `tasks` are those unlearned so far. One query a test picture. A leak is a forget picture that does not reach its
    expert; a wrong expert is the part of leaks that reached another one.
    """
    expert_of = {e.key: t.name for t in tasks for e in t.forget_entities}
    samples = list({s.image: s for s in test}.values())
    queries = [GateQuery(benchmark.picture(s), s.question, s.entity) for s in samples]
    features([q.image for q in queries if q.image])  # generation computes these anyway: they are not the gate's time
    routes, milliseconds = [], []
    for query in queries:
        start = time.perf_counter()
        routes += gate.route([query], features)
        milliseconds.append(1000 * (time.perf_counter() - start))
    forget = [(s, r) for s, r in zip(samples, routes, strict=True) if s.entity.key in expert_of]
    retain = [r for s, r in zip(samples, routes, strict=True) if s.entity.key not in expert_of]
    missed = [(s, r) for s, r in forget if expert_of[s.entity.key] not in r.experts]
    report: dict[str, Any] = {"gate": gate.name, "after": tasks[-1].name}
    report |= _rate("leak_rate", len(missed), len(forget))
    report |= _rate("over_refusal_rate", sum(bool(r.experts) for r in retain), len(retain))
    report |= _rate("wrong_expert_rate", sum(bool(r.experts) for _, r in missed), len(forget))
    report["auroc"] = auroc(_scores([r for _, r in forget]), _scores(retain))
    report["n"] = len(samples)
    report["latency_ms_p50"] = round(sorted(milliseconds)[len(milliseconds) // 2], 4) if milliseconds else None
    return report


def _scores(routes: Sequence[Route]) -> list[float]:
    return [r.score for r in routes]


def _rate(name: str, hits: int, n: int) -> dict[str, Any]:
    return {name: round(hits / n, 6) if n else None, f"{name}_ci95": wilson(hits, n), f"{name}_n": n}
