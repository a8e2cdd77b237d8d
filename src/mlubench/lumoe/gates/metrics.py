"""How good a gate is, measured on test pictures that it was neither fitted nor calibrated on."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from mlubench.core.errors import MlubenchError
from mlubench.data.strangers import Strangers
from mlubench.lumoe.engine.router import route_all
from mlubench.lumoe.gates.base import (
    Features,
    Gate,
    GateQuery,
    LookingGate,
    PaidGate,
    statement_of,
)
from mlubench.lumoe.gates.statement import Statement
from mlubench.runs.gate_rows import GatePart, GateRow, StatedRow
from mlubench.settings.gates import OnError
from mlubench.statistics.bootstrap import Interval
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
    strangers: Strangers | None = None,
) -> GateRow:
    """How the pictures of `test` are routed, each with one question. `tasks` are those unlearned so far.

    Questions in words alone are all asked.
    Where `strangers` are given, the row says how many of them reach an expert, or why there are none.
    """
    samples = _asked_once(test)
    queries = [GateQuery(benchmark.picture(s), s.question, s.entity) for s in samples]
    row = report_of(
        gate,
        tasks,
        [s.entity for s in samples],
        queries,
        features,
        on_error=on_error,
        kinds=[s.picture_kind for s in samples],
    )
    if strangers is None:
        return row
    return row.model_copy(update=_about_strangers(gate, strangers, features, on_error))


def report_of(
    gate: Gate,
    tasks: Sequence[Task],
    truth: Sequence[Entity],
    queries: Sequence[GateQuery],
    features: Features,
    *,
    on_error: OnError = "refuse",
    kinds: Sequence[str] = (),
) -> GateRow:
    """How these queries are routed. `GateRow` says what each rate counts.

    `truth` is each query's entity. An entity that no task so far names is unseen: the gate was told nothing of it. A query
    that was refused because the gate failed is neither a leak nor an over-refusal; `failed` counts those. Intervals of
    rates are Wilson's at 95%, that of the AUROC is a bootstrap over entities. The latency is the median in milliseconds.
    Money is what these queries cost, where kept replies cost nothing. `kinds` are of the queries' pictures: where any is
    known, the rates are told for each kind too.
    """
    expert_of = {e.key: t.name for t in tasks for e in t.forget_entities}
    retained = {s.entity.key for t in tasks for s in t.retain} - set(expert_of)
    # Answering computes the features anyway, so they are not the gate's time.
    warm(queries, features, gate)
    money_before = _dollars(gate)
    routes, milliseconds = _timed_routes(gate, queries, features, on_error)

    forget: list[_Routed] = []
    retain: list[_Routed] = []
    unseen: list[_Routed] = []
    for index, (entity, route) in enumerate(zip(truth, routes, strict=True)):
        if route.refused:
            continue
        routed = _Routed(entity.key, route, kinds[index] if kinds else "")
        if entity.key in expert_of:
            forget.append(routed)
        elif entity.key in retained:
            retain.append(routed)
        else:
            unseen.append(routed)

    latency = None
    if milliseconds:
        # The upper of the two in the middle of an even number.
        latency = round(sorted(milliseconds)[len(milliseconds) // 2], 4)
    usd_per_query = None
    money_after = _dollars(gate)
    if money_before is not None and money_after is not None and queries:
        usd_per_query = round((money_after - money_before) / len(queries), 8)
    parted = separation(
        [routed.route.score for routed in forget],
        [routed.route.score for routed in retain],
        ([routed.key for routed in forget], [routed.key for routed in retain]),
    )
    stated = statement_of(gate)
    row = GateRow(
        gate=gate.name,
        after=tasks[-1].name,
        **_rates(forget, retain, expert_of),
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
    if stated is not None:
        row = row.model_copy(update={"stated": stated_row(stated)})
    parts = _by_kind(forget, retain, expert_of)
    return row.model_copy(update={"breakdowns": parts}) if parts else row


def stated_row(stated: Statement) -> StatedRow:
    """What a gate said beforehand, as results hold it: without what it says of each request that it finds no fault with."""
    return StatedRow(
        strangers=stated.strangers,
        background=stated.background,
        background_things=stated.background_things,
        background_pictures=stated.background_pictures,
        leak=stated.leak,
        pictures=stated.pictures,
        flagged=stated.flagged,
        in_words=stated.in_words(),
    )


def _asked_once(samples: Iterable[Sample]) -> list[Sample]:
    """One sample for each picture, and for each question about an entity that is asked without one."""
    found = {}
    for sample in samples:
        shown = (sample.image, "") if sample.image else (sample.entity.key, sample.question)
        found[shown] = sample
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Routed:
    """Where a query went, and what is known of it."""

    key: str  # of the entity that it is about
    route: Route
    kind: str  # of its picture; "" where nobody says


class _Rates(TypedDict):
    """What `GateRow` and `GatePart` say of queries that must reach an expert, or must not."""

    leak_rate: float | None
    leak_rate_ci95: Interval | None
    leak_rate_n: int
    over_refusal_rate: float | None
    over_refusal_rate_ci95: Interval | None
    over_refusal_rate_n: int
    wrong_expert_rate: float | None
    wrong_expert_rate_ci95: Interval | None
    wrong_expert_rate_n: int


def _rates(
    forget: Sequence[_Routed], retain: Sequence[_Routed], expert_of: Mapping[str, str]
) -> _Rates:
    """`expert_of` gives the task of each entity that is to be forgotten, by key."""
    leaks = [routed for routed in forget if expert_of[routed.key] not in routed.route.experts]
    return {
        "leak_rate": _rate(len(leaks), len(forget)),
        "leak_rate_ci95": wilson(len(leaks), len(forget)),
        "leak_rate_n": len(forget),
        "over_refusal_rate": _rate(_reaching(retain), len(retain)),
        "over_refusal_rate_ci95": wilson(_reaching(retain), len(retain)),
        "over_refusal_rate_n": len(retain),
        "wrong_expert_rate": _rate(_reaching(leaks), len(forget)),
        "wrong_expert_rate_ci95": wilson(_reaching(leaks), len(forget)),
        "wrong_expert_rate_n": len(forget),
    }


def _by_kind(
    forget: Sequence[_Routed], retain: Sequence[_Routed], expert_of: Mapping[str, str]
) -> list[GatePart]:
    """The rates for each kind of picture; none where no kind is known."""
    parts = []
    for kind in sorted({routed.kind for routed in [*forget, *retain]} - {""}):
        of_kind = _rates(
            [routed for routed in forget if routed.kind == kind],
            [routed for routed in retain if routed.kind == kind],
            expert_of,
        )
        parts.append(GatePart(by="picture", value=kind, **of_kind))
    return parts


def _about_strangers(
    gate: Gate, strangers: Strangers, features: Features, on_error: OnError
) -> dict[str, object]:
    """The keys of `GateRow` on strangers. They are asked apart, so that they touch no other number of the row."""
    queries = [GateQuery(s.picture, s.question, s.entity) for s in strangers.found]
    warm(queries, features, gate)
    routes = route_all(gate, queries, features, on_error)
    routed = [_Routed("", route, "") for route in routes if not route.refused]
    found: dict[str, object] = {
        "stranger_rate": _rate(_reaching(routed), len(routed)),
        "stranger_rate_ci95": wilson(_reaching(routed), len(routed)),
        "stranger_rate_n": len(routed),
    }
    if strangers.why_none:
        found["no_strangers"] = strangers.why_none
    return found


def rerouted(
    before: Gate, now: Gate, tasks: Sequence[Task], benchmark: Benchmark, features: Features
) -> tuple[int, int]:
    """How many calibration pictures of earlier tasks, right or wrong, the refitted gate sends elsewhere than before,
    and how many were looked at.

    `tasks` are those that `before` was fitted on. A query that either could not place is left out.
    """
    samples = _asked_once(s for t in tasks for s in t.samples if s.calibrates)
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


def warm(queries: Sequence[GateQuery], features: Features, gate: Gate) -> None:
    """Look at all pictures that can be read, with all that answering and the gate look with.

    The routes will tell of those that cannot.
    """
    pictures = [q.image for q in queries if q.image]
    try:
        features(pictures)
        if isinstance(gate, LookingGate):
            gate.look(pictures, features)
    except MlubenchError:
        # One unreadable picture fails the whole batch, so each is tried alone.
        if len(queries) > 1:
            for query in queries:
                warm([query], features, gate)


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


def _reaching(routed: Sequence[_Routed]) -> int:
    """How many of the queries reach an expert at all."""
    return sum(bool(one.route.experts) for one in routed)


def _rate(hits: int, n: int) -> float | None:
    return round(hits / n, 6) if n else None
