"""How good a gate is, measured on test pictures that it was neither fitted nor calibrated on."""

import time
from collections.abc import Sequence

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.router import route_all
from mlubench.lumoe.gates.base import Features, Gate, GateQuery, PaidGate
from mlubench.runs.results import GateRow
from mlubench.settings.gates import OnError
from mlubench.statistics.intervals import wilson
from mlubench.statistics.separation import separation
from mlubench.types import Benchmark, Entity, Route, Sample, Task


def gate_report(
    gate: Gate,
    tasks: Sequence[Task],
    benchmark: Benchmark,
    features: Features,
    test: Sequence[Sample],
    *,
    on_error: OnError = "refuse",
) -> GateRow:
    """How the pictures of `test` are routed, each with one question. `tasks` are those unlearned so far."""
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
) -> GateRow:
    """How these queries are routed. `GateRow` says what each rate counts.

    `truth` is each query's entity. An entity that no task so far names is unseen: the gate was told nothing of it. A query
    that was refused because the gate failed is neither a leak nor an over-refusal; `failed` counts those. Intervals of
    rates are Wilson's at 95%, that of the AUROC is a bootstrap over entities. The latency is the median in milliseconds.
    Money is what these queries cost, where kept replies cost nothing.
    """
    expert_of = {e.key: t.name for t in tasks for e in t.forget_entities}
    retained = {s.entity.key for t in tasks for s in t.retain} - set(expert_of)
    # Answering computes the features anyway, so they are not the gate's time.
    warm(queries, features)
    money_before = _dollars(gate)
    routes, milliseconds = _timed_routes(gate, queries, features, on_error)

    forget: list[tuple[str, Route]] = []
    retain: list[tuple[str, Route]] = []
    unseen: list[Route] = []
    for entity, route in zip(truth, routes, strict=True):
        if route.refused:
            continue
        if entity.key in expert_of:
            forget.append((entity.key, route))
        elif entity.key in retained:
            retain.append((entity.key, route))
        else:
            unseen.append(route)
    leaks = [route for key, route in forget if expert_of[key] not in route.experts]

    latency = None
    if milliseconds:
        # The upper of the two in the middle of an even number.
        latency = round(sorted(milliseconds)[len(milliseconds) // 2], 4)
    usd_per_query = None
    money_after = _dollars(gate)
    if money_before is not None and money_after is not None and queries:
        usd_per_query = round((money_after - money_before) / len(queries), 8)
    parted = separation(
        [route.score for _, route in forget],
        [route.score for _, route in retain],
        ([key for key, _ in forget], [key for key, _ in retain]),
    )
    return GateRow(
        gate=gate.name,
        after=tasks[-1].name,
        leak_rate=_rate(len(leaks), len(forget)),
        leak_rate_ci95=wilson(len(leaks), len(forget)),
        leak_rate_n=len(forget),
        over_refusal_rate=_rate(_reaching([r for _, r in retain]), len(retain)),
        over_refusal_rate_ci95=wilson(_reaching([r for _, r in retain]), len(retain)),
        over_refusal_rate_n=len(retain),
        wrong_expert_rate=_rate(_reaching(leaks), len(forget)),
        wrong_expert_rate_ci95=wilson(_reaching(leaks), len(forget)),
        wrong_expert_rate_n=len(forget),
        unseen_refusal_rate=_rate(_reaching(unseen), len(unseen)),
        unseen_refusal_rate_ci95=wilson(_reaching(unseen), len(unseen)),
        unseen_refusal_rate_n=len(unseen),
        **parted,
        failed=sum(route.failed for route in routes),
        refused=sum(route.refused for route in routes),
        n=len(queries),
        latency_ms_p50=latency,
        usd_per_query=usd_per_query,
    )


def rerouted(
    before: Gate, now: Gate, tasks: Sequence[Task], benchmark: Benchmark, features: Features
) -> tuple[int, int]:
    """How many calibration pictures of earlier tasks, right or wrong, the refitted gate sends elsewhere than before,
    and how many were looked at.

    `tasks` are those that `before` was fitted on. A query that either could not place is left out.
    """
    samples = {s.image: s for t in tasks for s in t.samples if s.role == "calibrate"}.values()
    queries = [GateQuery(benchmark.picture(s), s.question, s.entity) for s in samples]
    old = route_all(before, queries, features, "refuse")
    new = route_all(now, queries, features, "refuse")
    moved = 0
    placed = 0
    for earlier, later in zip(old, new, strict=True):
        if earlier.failed or later.failed:
            continue
        placed += 1
        moved += earlier.experts != later.experts
    return moved, placed


def warm(queries: Sequence[GateQuery], features: Features) -> None:
    """Compute the features of all pictures that can be read. The routes will tell of the others."""
    try:
        features([q.image for q in queries if q.image])
    except MlubenchError:
        # One unreadable picture fails the whole batch, so each is tried alone.
        if len(queries) > 1:
            for query in queries:
                warm([query], features)


def _timed_routes(
    gate: Gate, queries: Sequence[GateQuery], features: Features, on_error: OnError
) -> tuple[list[Route], list[float]]:
    """The routes, asked one by one as a user would, and the milliseconds that each took."""
    routes: list[Route] = []
    milliseconds: list[float] = []
    for query in queries:
        start = time.perf_counter()
        routes += route_all(gate, [query], features, on_error)
        milliseconds.append(1000 * (time.perf_counter() - start))
    return routes, milliseconds


def _dollars(gate: Gate) -> float | None:
    """What the gate has cost so far. None: its price is not known. A gate that runs here costs nothing."""
    return gate.spend.money if isinstance(gate, PaidGate) else 0.0


def _reaching(routes: Sequence[Route]) -> int:
    """How many of the routes reach an expert at all."""
    return sum(bool(route.experts) for route in routes)


def _rate(hits: int, n: int) -> float | None:
    return round(hits / n, 6) if n else None
