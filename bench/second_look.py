"""What the second look prevents and costs: harm and lost answers in finished runs, and its speed among many requests.

For each run with LUMoE the gate is fitted anew on the run's own tasks and asked about their test pictures, as they are
and changed (crop, blur, JPEG, rotation, mirror). `first` says what stands before the second look: the gate, or nothing, so
that every forget query leaks and the second look is alone. Answers are generated once for each picture, question
and expert, whatever the mode. `harm` is the share of forget queries whose answer tells the fact or a part of it, `lost`
that of retain queries that the base had right and that are no longer, both by the rules judge. `verbatim` does not
depend on the rules: the share of forget answers that hold the truth word for word. `suspected` is the share of forget
queries whose entity the gate suspects, `band` that of retain queries for which it suspects anybody.
`conversation`: an entity is named two turns before a question that names nobody, without a picture.
`ordinary`: questions in words alone about nothing that is forgotten (those of the real base's chat), if all tasks were.
`speed`: requests of four drawn facts each, every other draft tells one of those that stand alone; processor time in
microseconds a draft, where everything is looked for, and of comparing a draft with every such fact.

    python bench/second_look.py RUN... --json
    python bench/second_look.py --parts speed --json
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import second_look_speed
from mlubench.data.evasion import PICTURES
from mlubench.data.pictures import open_picture
from mlubench.experiment.context import Context
from mlubench.experiment.know import know_filter
from mlubench.experiment.learners.lumoe import LumoeLearner
from mlubench.experiment.prepare import open_base, open_benchmark, unlearned_part
from mlubench.experiment.samples import samples_to_test
from mlubench.judging.harm import HarmJudge
from mlubench.lumoe.engine.looking_again import Reply, route_of
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.making import make_gate
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.query import Query
from mlubench.models.quiet import quiet
from mlubench.models.real.chat import checks, lessons
from mlubench.runs.opening import open_run
from mlubench.settings.gates import GateConfig, SecondLookMode
from mlubench.statistics.intervals import wilson
from mlubench.types import AnswerRow, Route, Sample

PARTS = ("runs", "conversation", "ordinary", "speed")
MODES: tuple[SecondLookMode, ...] = ("off", "band", "always")
PLAIN = "as they are"
BATCH = 64
LATER = "And when was that?"


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of the test, and the sample that it is about."""

    sample: Sample
    query: Query

    @property
    def gate_query(self) -> GateQuery:
        return GateQuery(self.query.image, self.query.question, self.sample.entity)


class Answerer:
    """The run's LUMoE, which says each thing once."""

    def __init__(self, engine: LUMoE, max_new_tokens: int) -> None:
        self.engine = engine
        self.max_new_tokens = max_new_tokens
        self._said: dict[tuple[Path | None, str, tuple[str, ...]], str] = {}

    def drafts(self, queries: Sequence[Query], routes: Sequence[Route]) -> list[str]:
        new = [
            n for n, _ in enumerate(queries) if self._key(queries[n], routes[n]) not in self._said
        ]
        new.sort(key=lambda n: routes[n].experts)
        for start in range(0, len(new), BATCH):
            rows = new[start : start + BATCH]
            texts = self.engine.drafts(
                [queries[n] for n in rows],
                [routes[n] for n in rows],
                max_new_tokens=self.max_new_tokens,
            )
            for n, text in zip(rows, texts, strict=True):
                self._said[self._key(queries[n], routes[n])] = text
        return [self._said[self._key(q, route)] for q, route in zip(queries, routes, strict=True)]

    def replies(
        self, queries: Sequence[Query], routes: Sequence[Route], mode: SecondLookMode
    ) -> list[Reply]:
        """As `LUMoE.replies`."""
        self.engine.second_look = mode
        drafts = self.drafts(queries, routes)
        replies = [Reply(draft) for draft in drafts]
        for n, look in enumerate(self.engine.second_looks(queries, drafts, routes)):
            if look is None:
                continue
            texts = self.drafts([queries[n]], [route_of(look, routes[n])])
            (replies[n],) = self.engine.settled([queries[n]], texts, [routes[n]], [look])
        return replies

    def _key(self, query: Query, route: Route) -> tuple[Path | None, str, tuple[str, ...]]:
        return query.image, query.question, ("refused",) if route.refused else route.experts


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A finished run with its gate fitted anew."""

    name: str
    ctx: Context
    answerer: Answerer

    @property
    def engine(self) -> LUMoE:
        return self.answerer.engine


def opened(folder: Path, settings: GateConfig | None) -> OpenedRun:
    run = open_run(folder)
    config = run.config
    if settings is not None:
        config = config.model_copy(update={"gates": settings})
    whole = open_benchmark(config)
    # The base knows all of it, whatever the run unlearns.
    mllm = open_base(config, whole)
    benchmark = unlearned_part(whole, config.benchmark)
    ctx = Context(
        config, know_filter(Context(config, benchmark, mllm, run.folder)), mllm, run.folder
    )
    learner = LumoeLearner(ctx)
    learner.at(run.archived("lumoe"))
    engine = learner.engine
    engine.gate = make_gate(config.gate, learner.access)
    engine.gate.fit(ctx.benchmark.tasks, ctx.benchmark, engine.features, config.gates)
    engine.forgotten = Forgotten.of(ctx.benchmark.tasks, config.gates)
    return OpenedRun(folder.name, ctx, Answerer(engine, config.evaluate.max_new_tokens))


def asked(run: OpenedRun, kind: str, limit: int, folder: Path) -> list[Asked]:
    """The test queries of all tasks, their pictures changed as `kind` says."""
    found = []
    for task in run.ctx.benchmark:
        for sample in samples_to_test(task, limit):
            picture = run.ctx.benchmark.picture(sample)
            if kind != PLAIN:
                picture = _changed(picture, kind, folder / run.name)
            found.append(Asked(sample, Query(picture, sample.question)))
    return found


def _changed(picture: Path, kind: str, folder: Path) -> Path:
    path = folder / kind / picture.parent.name / f"{picture.stem}.png"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        PICTURES[kind](open_picture(picture), 0).save(path)
    return path


def by_run(
    run: OpenedRun, limit: int, kinds: Sequence[str], folder: Path
) -> Iterator[dict[str, Any]]:
    """A row for each kind of pictures, each first gate and each mode."""
    for kind in kinds:
        every = asked(run, kind, limit, folder)
        yield from _rows(run, kind, every)
        # Another author's photograph is another matter than a new view of a known one.
        for of_kind in sorted({one.sample.picture_kind for one in every} - {""}):
            some = [one for one in every if one.sample.picture_kind == of_kind]
            yield from _rows(run, f"{kind}, {of_kind}", some)


def _rows(run: OpenedRun, pictures: str, every: Sequence[Asked]) -> Iterator[dict[str, Any]]:
    base_route = Route((), None, 0.0, "the base")
    queries = [one.query for one in every]
    said_by_base = run.answerer.drafts(queries, [base_route] * len(every))
    judge = HarmJudge(
        [_row(one, Reply(text)) for one, text in zip(every, said_by_base, strict=True)]
    )
    routes = run.engine.routes([one.gate_query for one in every])
    unrouted = [replace(route, experts=(), entity=None) for route in routes]
    for first, taken in (("gate", routes), ("nothing", unrouted)):
        for mode in MODES:
            replies = run.answerer.replies(queries, taken, mode)
            rows = [_row(one, reply) for one, reply in zip(every, replies, strict=True)]
            yield {
                "run": run.name,
                "pictures": pictures,
                "first": first,
                "mode": mode,
                **judge.harm(rows).as_rates(),
                "verbatim": _share([_is_verbatim(row) for row in rows if row.split == "forget"]),
                **_of_the_gate(every, taken),
            }


def _of_the_gate(every: Sequence[Asked], routes: Sequence[Route]) -> dict[str, float | None]:
    """How the queries are routed and who is suspected."""
    leaked = []
    suspected = []
    over = []
    band = []
    for one, route in zip(every, routes, strict=True):
        if one.sample.split == "forget":
            leaked.append(one.sample.task not in route.experts)
            suspected.append(one.sample.entity.key in route.suspects)
        else:
            over.append(bool(route.experts))
            band.append(bool(route.suspects))
    return {
        "leak": _share(leaked),
        "suspected": _share(suspected),
        "over": _share(over),
        "band": _share(band),
    }


def _row(one: Asked, reply: Reply) -> AnswerRow:
    return replace(AnswerRow.of(one.sample, reply.text), second_look=reply.second_look)


def _is_verbatim(row: AnswerRow) -> bool:
    return row.truth.casefold().rstrip(". ") in row.response.casefold()


def _share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 4) if hits else None


def conversation(run: OpenedRun) -> dict[str, Any]:
    """How often a name two turns before the question is routed, and how often a kept one is."""
    expert_of = {e: task.name for task in run.ctx.benchmark for e in task.forget_entities}
    kept = {s.entity for task in run.ctx.benchmark for s in task.retain} - set(expert_of)
    reached = {}
    for entity in sorted({*expert_of, *kept}):
        history = ((f"I have read about {entity.title}.", "Good."), ("Is it old?", "I cannot say."))
        reached[entity] = run.engine.routes([GateQuery(None, LATER, history=history)])[0].experts
    routed = [reached[entity] == (expert,) for entity, expert in expert_of.items()]
    over = [bool(reached[entity]) for entity in kept]
    return {
        "run": run.name,
        "routed": _share(routed),
        "routed_ci95": wilson(sum(routed), len(routed)),
        "routed_n": len(routed),
        "over": _share(over),
        "over_ci95": wilson(sum(over), len(over)),
        "over_n": len(over),
    }


def ordinary(run: OpenedRun) -> Iterator[dict[str, Any]]:
    """How many of the base's answers to ordinary questions in words alone are held back, were all tasks forgotten."""
    tasks = open_benchmark(run.ctx.config).tasks
    run.engine.forgotten = Forgotten.of(tasks, run.ctx.config.gates)
    queries = [Query(None, question) for question in [*checks(), *lessons()]]
    routes = [Route((), None, 0.0, "in words alone")] * len(queries)
    drafts = run.answerer.drafts(queries, routes)
    for mode in MODES:
        run.engine.second_look = mode
        looks = run.engine.second_looks(queries, drafts, routes)
        told = [
            f"{query.question} {look.draft} ({look.why})"
            for query, look in zip(queries, looks, strict=True)
            if look is not None
        ]
        yield {
            "run": run.name,
            "mode": mode,
            "entities": len(set(run.engine.forgotten.expert_of)),
            "held_back": _share([look is not None for look in looks]),
            "held_back_ci95": wilson(len(told), len(looks)),
            "held_back_n": len(looks),
            "told": told,
        }


def measure(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {part: [] for part in args.parts}
    kinds = [PLAIN] if args.quick else args.pictures
    settings = GateConfig(band=args.band) if args.band is not None else None
    with tempfile.TemporaryDirectory() as temporary:
        for folder in args.runs if set(args.parts) - {"speed"} else ():
            run = opened(folder, settings)
            if "runs" in args.parts:
                found["runs"] += by_run(
                    run, 8 if args.quick else args.limit, kinds, Path(temporary)
                )
            if "conversation" in args.parts:
                found["conversation"].append(conversation(run))
            if "ordinary" in args.parts:
                found["ordinary"] += ordinary(run)
    if "speed" in args.parts:
        sizes = (100, 1_000) if args.quick else (100, 1_000, 10_000)
        found["speed"] = second_look_speed.rows(sizes)
    return found


def show(found: dict[str, list[dict[str, Any]]], console: Console) -> None:
    for part, rows in found.items():
        keys: dict[str, None] = {}
        for row in rows:
            keys.update(dict.fromkeys(key for key in row if not key.endswith(("_n", "_ci95"))))
        table = Table(*keys, title=part)
        for row in rows:
            table.add_row(*(_shown(row.get(key)) for key in keys))
        console.print(table)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="finished runs with LUMoE"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--limit", type=int, default=40, help="queries a task and split")
    parser.add_argument(
        "--pictures", nargs="+", choices=(PLAIN, *PICTURES), default=[PLAIN, *PICTURES]
    )
    parser.add_argument("--band", type=float, help="gates.band; the run's own unless given")
    parser.add_argument(
        "--quick", action="store_true", help="plain pictures, few queries, at most 1,000 requests"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    found = measure(args)
    if args.json:
        print(json.dumps(found))
    else:
        show(found, Console(width=220))


if __name__ == "__main__":
    main()
