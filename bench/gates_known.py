"""Harm and lost answers at 1 to 1,000 requests of one fact each, all known to the base.

The base is a tiny LLaVA that was taught one fact of every entity (`gates_known_base.py`). A query that reaches an expert is
refused, whose answers would be another matter. Harm and lost answers are counted among what the base told by itself.
`by` says what routes: the picture gate with its usual encoder, which is the base's tower here too (`eye`); the same, which
routes nothing and only suspects, so that the second look is alone (`suspects`); the picture gate with the state of the
base's language model behind a naming question (`state`); the base's answer to that question, searched for names (`named`);
or the first and the last together (`eye, named`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gates_known_study import Study, parts_of
from gates_known_world import NAMING, known_world
from gates_world import counted
from mlubench.judging.harm import RIGHT, TOLD
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.lumoe.gates.making import make_gate
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.settings.gates import GateConfig, SecondLookMode
from mlubench.statistics.separation import separation
from mlubench.types import AnswerRow, Route, Sample, Task

WAYS = ("eye", "suspects", "state", "named", "eye, named")
MODES: tuple[SecondLookMode, ...] = ("off", "band")
SIZES = (1, 10, 100, 1000)
# So many sets of requests of each size. No entity is in two sets of one size.
MOST_SETS = {1: 100, 10: 50, 100: 10, 1000: 1}
KEPT, STRANGERS = 100, 100  # entities


@dataclass
class Counts:
    """What is counted over all sets of requests of one size."""

    forget: int = 0
    missed: int = 0
    wrong: int = 0
    retain: int = 0
    over: int = 0
    strangers: int = 0
    strangers_routed: int = 0
    # Forget queries that the base alone answers with the fact, and retain queries that it answers right.
    told_by_base: int = 0
    right_by_base: int = 0
    told: dict[SecondLookMode, int] = field(default_factory=lambda: dict.fromkeys(MODES, 0))
    lost: dict[SecondLookMode, int] = field(default_factory=lambda: dict.fromkeys(MODES, 0))
    # Of the queries that the picture gate scored.
    forget_scores: list[float] = field(default_factory=list)
    retain_scores: list[float] = field(default_factory=list)


def rows(
    seed: int,
    gates: GateConfig,
    *,
    sizes: Sequence[int] = SIZES,
    ways: Sequence[str] = WAYS,
    kept: int = KEPT,
    strangers: int = STRANGERS,
) -> Iterator[dict[str, Any]]:
    """A row of what the base knows, then one for each number of requests and each way to route."""
    world = known_world(seed, requests=max(sizes), kept=kept, strangers=strangers)
    study = Study(world, gates)
    yield _known(study, seed)
    for size in sizes:
        starts = range(0, len(world.requests) - size + 1, size)[: MOST_SETS.get(size, 1)]
        counts = {way: Counts() for way in ways}
        for start in starts:
            requests = world.requests[start : start + size]
            _measure(study, world.tasks_of(requests), counts)
        for way in ways:
            row = _as_row(counts[way], len(_tested(world.kept)), len(world.strangers))
            shown = {"seed": seed, "requests": size, "sets": len(starts), "by": way}
            yield {**shown, **row}


def _known(study: Study, seed: int) -> dict[str, Any]:
    """How many entities the base knows on new pictures, of those whose fact is their name and of the others."""
    named: list[bool] = []
    other: list[bool] = []
    for sample in _tested(study.world.benchmark.samples):
        known = named if sample.entity.key in study.world.named else other
        known.append(sample.id in study.right_by_base)
    return {
        "seed": seed,
        "base": "what it knows",
        "requested": len(study.world.requests),
        "kept": len({sample.entity for sample in study.world.kept}),
        "names": round(sum(named) / len(named), 4),
        "names_n": len(named),
        "facts": round(sum(other) / len(other), 4),
        "facts_n": len(other),
    }


def _measure(study: Study, tasks: Sequence[Task], counts: dict[str, Counts]) -> None:
    """Add what becomes of the queries when these are the requests."""
    gates: dict[str, Gate] = {}
    for way in counts:
        for part in parts_of(way):
            if part not in gates:
                gates[part] = make_gate("mention" if part == "named" else "hybrid")
                gates[part].fit(tasks, study.world.benchmark, study.eyes(part), study.settings)
    study.answerer.engine.forgotten = Forgotten.of(tasks, study.settings)
    forget = _tested([sample for task in tasks for sample in task.forget])
    retain = _tested(study.world.kept)
    asked = [_gate_query(study, sample) for sample in [*forget, *retain]]
    unknown = [GateQuery(path, NAMING, entity) for entity, path in study.world.strangers]
    for way, count in counts.items():
        routes = study.routes(way, gates, asked)
        _count_routes(count, forget, retain, routes)
        of_strangers = study.routes(way, gates, unknown)
        count.strangers += len(unknown)
        count.strangers_routed += sum(bool(route.experts) for route in of_strangers)
        _count_answers(study, count, forget, retain, routes)


def _count_routes(
    count: Counts, forget: Sequence[Sample], retain: Sequence[Sample], routes: Sequence[Route]
) -> None:
    """`routes` are of the forget samples, then of the retain ones."""
    for sample, route in zip(forget, routes[: len(forget)], strict=True):
        count.forget += 1
        count.missed += sample.task not in route.experts
        count.wrong += bool(route.experts) and sample.task not in route.experts
        count.forget_scores.append(route.score)
    for route in routes[len(forget) :]:
        count.retain += 1
        count.over += bool(route.experts)
        count.retain_scores.append(route.score)


def _count_answers(
    study: Study,
    count: Counts,
    forget: Sequence[Sample],
    retain: Sequence[Sample],
    routes: Sequence[Route],
) -> None:
    samples = [*forget, *retain]
    queries = [study.query(sample) for sample in samples]
    # No expert stands behind the gate here: what reaches one is refused.
    taken = [replace(route, refused=True) if route.experts else route for route in routes]
    count.told_by_base += sum(sample.id in study.told_by_base for sample in forget)
    count.right_by_base += sum(sample.id in study.right_by_base for sample in retain)
    for mode in MODES:
        replies = study.answerer.replies(queries, taken, mode)
        for sample, reply in zip(samples, replies, strict=True):
            score = study.judge.score(AnswerRow.of(sample, reply.text))
            if sample.split == "forget" and sample.id in study.told_by_base:
                count.told[mode] += score >= TOLD
            if sample.split == "retain" and sample.id in study.right_by_base:
                count.lost[mode] += score < RIGHT


def _as_row(count: Counts, kept_pictures: int, strangers: int) -> dict[str, Any]:
    """Rates with intervals. All sets share what must stay and the strangers, whose pictures count once in an interval."""
    row = {
        **counted("leak", count.missed, count.forget),
        **counted("wrong", count.wrong, count.forget),
        **counted("over", count.over, count.retain, kept_pictures),
        **counted("strangers", count.strangers_routed, count.strangers, strangers),
    }
    for mode in MODES:
        known = count.right_by_base * kept_pictures // max(1, count.retain)
        row |= counted(f"harm_{mode}", count.told[mode], count.told_by_base)
        row |= counted(f"lost_{mode}", count.lost[mode], count.right_by_base, known)
    clusters = (
        [str(n) for n, _ in enumerate(count.forget_scores)],
        [str(n) for n, _ in enumerate(count.retain_scores)],
    )
    parted = separation(count.forget_scores, count.retain_scores, clusters, resamples=1)
    return {**row, "auroc": parted["auroc"]}


def _tested(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.role == "test"]


def _gate_query(study: Study, sample: Sample) -> GateQuery:
    return GateQuery(study.world.benchmark.picture(sample), sample.question, sample.entity)
