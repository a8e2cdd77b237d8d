"""How good a gate is, measured on test pictures that it was neither fitted nor calibrated on."""

import time
from collections.abc import Sequence
from typing import Any

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.router import route_all
from mlubench.lumoe.gates.base import Features, Gate, GateQuery, PaidGate
from mlubench.settings.gates import OnError
from mlubench.statistics.intervals import wilson
from mlubench.statistics.separation import separation
from mlubench.types import Benchmark, Entity, Sample, Task


def gate_report(
    gate: Gate,
    tasks: Sequence[Task],
    benchmark: Benchmark,
    features: Features,
    test: Sequence[Sample],
    *,
    on_error: OnError = "refuse",
) -> dict[str, Any]:
    """How one query a picture of `test` is routed; `tasks` are those unlearned so far. See `report_of` for what is said."""
    samples = list({s.image: s for s in test}.values())
    queries = [GateQuery(benchmark.picture(s), s.question, s.entity) for s in samples]
    return report_of(gate, tasks, [s.entity for s in samples], queries, features, on_error=on_error)


def report_of(
    gate: Gate,
    tasks: Sequence[Task],
    truth: Sequence[Entity],
    queries: Sequence[GateQuery],
    features: Features,
    *,
    on_error: OnError = "refuse",
) -> dict[str, Any]:
    """Rates with 95% Wilson intervals, AUROC and false positives at 95% recall, the median latency, money a query.

    `truth` is each query's entity. A leak is a forget query that does not reach its expert; a wrong expert is the part of
    leaks that reached another one. An over-refusal is a retain query that reaches an expert; `unseen_refusal_rate` counts
    the same for entities that no task so far has named, of which the gate was told nothing. AUROC is of forget against
    retain queries, its interval a bootstrap over entities. A query that was refused because the gate failed is neither a
    leak nor an over-refusal: `failed` counts those, `refused` says how many were not left to the base. Money is what these
    queries cost, kept replies nothing; None where the price is not known.
    """
    expert_of = {e.key: t.name for t in tasks for e in t.forget_entities}
    told = {s.entity.key for t in tasks for s in t.retain} - set(expert_of)
    warm(queries, features)  # generation computes these anyway: they are not the gate's time
    routes, milliseconds, before = [], [], _dollars(gate)
    for query in queries:
        start = time.perf_counter()
        routes += route_all(gate, [query], features, on_error)
        milliseconds.append(1000 * (time.perf_counter() - start))
    placed = [(e.key, r) for e, r in zip(truth, routes, strict=True) if not r.refused]
    forget = [(key, r) for key, r in placed if key in expert_of]
    retain = [(key, r) for key, r in placed if key in told]
    unseen = [r for key, r in placed if key not in expert_of and key not in told]
    missed = [r for key, r in forget if expert_of[key] not in r.experts]
    report: dict[str, Any] = {"gate": gate.name, "after": tasks[-1].name}
    report |= _rate("leak_rate", len(missed), len(forget))
    report |= _rate("over_refusal_rate", sum(bool(r.experts) for _, r in retain), len(retain))
    report |= _rate("wrong_expert_rate", sum(bool(r.experts) for r in missed), len(forget))
    report |= _rate("unseen_refusal_rate", sum(bool(r.experts) for r in unseen), len(unseen))
    sides = [([r.score for _, r in rows], [key for key, _ in rows]) for rows in (forget, retain)]
    report |= separation(sides[0][0], sides[1][0], (sides[0][1], sides[1][1]))
    report |= {
        "failed": sum(r.failed for r in routes),
        "refused": sum(r.refused for r in routes),
        "n": len(queries),
    }
    report["latency_ms_p50"] = (
        round(sorted(milliseconds)[len(milliseconds) // 2], 4) if milliseconds else None
    )
    after = _dollars(gate)
    report["usd_per_query"] = None
    if before is not None and after is not None and queries:
        report["usd_per_query"] = round((after - before) / len(queries), 8)
    return report


def _dollars(gate: Gate) -> float | None:
    """What the gate has cost so far; a gate that runs here costs nothing."""
    return gate.spend.money if isinstance(gate, PaidGate) else 0.0


def rerouted(
    before: Gate, now: Gate, tasks: Sequence[Task], benchmark: Benchmark, features: Features
) -> dict[str, int]:
    """How many calibration pictures of earlier tasks, right or wrong, the refitted gate sends elsewhere than before.

    `tasks` are those that `before` was fitted on. A query that either could not place is left out.
    """
    samples = {s.image: s for t in tasks for s in t.samples if s.role == "calibrate"}.values()
    queries = [GateQuery(benchmark.picture(s), s.question, s.entity) for s in samples]
    old, new = (route_all(gate, queries, features, "refuse") for gate in (before, now))
    pairs = [
        (a.experts, b.experts) for a, b in zip(old, new, strict=True) if not (a.failed or b.failed)
    ]
    return {"rerouted": sum(a != b for a, b in pairs), "rerouted_n": len(pairs)}


def warm(queries: Sequence[GateQuery], features: Features) -> None:
    """Compute the features of all pictures that can be read; the routes will tell of the others."""
    try:
        features([q.image for q in queries if q.image])
    except MlubenchError:
        for query in queries if len(queries) > 1 else ():
            warm([query], features)


def _rate(name: str, hits: int, n: int) -> dict[str, Any]:
    return {
        name: round(hits / n, 6) if n else None,
        f"{name}_ci95": wilson(hits, n),
        f"{name}_n": n,
    }
