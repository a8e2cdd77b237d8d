"""Is the language model still joined to what it sees? Asks every archived state with the right, a wrong and no picture."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, read_json, write_json
from mlubench.experiment.answering import Learner, tested
from mlubench.experiment.know import know_filter
from mlubench.experiment.learners import Base, Context, LumoeLearner, learner_for
from mlubench.experiment.prepare import in_order, open_base, open_benchmark
from mlubench.judging.run import make_judge
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.mllm import Query
from mlubench.models.probe import SITES, answer_log_probs, compare, sights
from mlubench.runs.folder import RunDir
from mlubench.runs.opening import open_run
from mlubench.statistics.intervals import clustered_mean
from mlubench.statistics.scores import FULL
from mlubench.types import Benchmark, Judge, Question, Sample

VERSION = 1  # raised when the same state would be measured otherwise
SHOWN = ("right", "wrong", "none")  # the picture that a question comes with


@dataclass(frozen=True, slots=True)
class Pair:
    """A retain sample, and the same question about another retain entity of its class, whose picture is the wrong one.

    Neither truth scores as the other, so an answer tells which picture it was about.
    """

    sample: Sample
    other: Sample


def make_pairs(benchmark: Benchmark, limit: int | None) -> tuple[list[Pair], int]:
    """Pairs for the retain samples of every task (at most `limit` a task), and how many samples have no wrong picture.

    They depend on the benchmark alone, so every state and every seed is asked the same.
    """
    asked = [s for task in benchmark for s in tested(task, limit) if s.split == "retain"]
    alike = defaultdict(list)
    for sample in (s for s in benchmark.samples if s.split == "retain" and s.role == "test"):
        alike[sample.entity.cls, sample.question].append(sample)
    judge = make_judge("rules", [(s.entity.cls, s.truth) for s in benchmark.samples])
    pairs = []
    for sample in asked:
        others = [o for o in alike[sample.entity.cls, sample.question] if o.entity != sample.entity]
        others.sort(key=lambda o: digest([sample.id, o.image, o.truth]))
        if other := next((o for o in others if _apart(judge, sample, o)), None):
            pairs.append(Pair(sample, other))
    if not pairs:
        raise MlubenchError(
            "no retain entity has another of its class to take a wrong picture from",
            "Use more entities.",
        )
    return pairs, len(asked) - len(pairs)


def _apart(judge: Judge, one: Sample, two: Sample) -> bool:
    both = judge.judge([_utility(one, two.truth), _utility(two, one.truth)])
    return all(verdict.score == 0 for verdict in both)


def _utility(sample: Sample, response: str) -> Question:
    return Question("utility", sample.entity.key, sample.question, sample.truth, response)


@dataclass(frozen=True, slots=True)
class Gallery:
    """One sample for each picture of the benchmark, on which probes are fitted and tested, and the entities they tell."""

    samples: list[Sample]

    @classmethod
    def of(cls, benchmark: Benchmark) -> "Gallery":
        """An entity that is forgotten and retained counts as forgotten."""
        first: dict[str, Sample] = {}
        for sample in sorted(benchmark.samples, key=lambda s: (s.split, s.phrasing, s.id)):
            first.setdefault(sample.image, sample)
        return cls([first[image] for image in sorted(first)])

    @property
    def labels(self) -> list[int]:
        numbers = {key: n for n, key in enumerate(sorted({s.entity.key for s in self.samples}))}
        return [numbers[s.entity.key] for s in self.samples]

    @property
    def roles(self) -> list[str]:
        return [s.role for s in self.samples]


def in_state(ctx: Context, learner: Learner, queries: Sequence[GateQuery]) -> Iterator[list[int]]:
    """Rows of the queries, batch by batch, each while the adapters are on that the learner answers these rows with."""
    engine = learner.engine if isinstance(learner, LumoeLearner) else None
    routes = engine.routes(queries) if engine else []
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row in range(len(queries)):
        groups[routes[row].experts if engine else ()].append(row)
    for rows in groups.values():
        for start in range(0, len(rows), ctx.config.evaluate.batch):
            batch = rows[start : start + ctx.config.evaluate.batch]
            with engine.answering([routes[r] for r in batch]) if engine else nullcontext():
                yield batch


def ask_pairs(ctx: Context, learner: Learner, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """What the learner says to each pair's question with each picture, how likely it finds the truth, and the scores.

    A score is 0 to 1, or None when it could not be judged. `follows` is that of the answer to the wrong picture, judged
    by the truth about the picture that was shown.
    """
    judge = make_judge("rules", [(s.entity.cls, s.truth) for s in ctx.benchmark.samples])
    rows: list[dict[str, Any]] = [
        {"id": p.sample.id, "entity": p.sample.entity.key, "fact": p.sample.fact} for p in pairs
    ]
    for shown in SHOWN:
        texts, levels = _answers(
            ctx,
            learner,
            [_shown(ctx.benchmark, p, shown) for p in pairs],
            [p.sample for p in pairs],
        )
        verdicts = judge.judge(
            [_utility(p.sample, text) for p, text in zip(pairs, texts, strict=True)]
        )
        for row, text, level, verdict in zip(rows, texts, levels, verdicts, strict=True):
            row[f"answer_{shown}"], row[f"logp_{shown}"] = text, round(level, 5)
            row[shown] = None if verdict.score is None else verdict.score / FULL
    follows = judge.judge(
        [_utility(p.other, row["answer_wrong"]) for p, row in zip(pairs, rows, strict=True)]
    )
    for row, verdict in zip(rows, follows, strict=True):
        row["follows"] = None if verdict.score is None else verdict.score / FULL
    return rows


def _shown(benchmark: Benchmark, pair: Pair, shown: str) -> GateQuery:
    of = {"right": pair.sample, "wrong": pair.other, "none": None}[shown]
    return GateQuery(
        benchmark.picture(of) if of else None, pair.sample.question, of.entity if of else None
    )


def _answers(
    ctx: Context, learner: Learner, asked: Sequence[GateQuery], samples: Sequence[Sample]
) -> tuple[list[str], list[float]]:
    texts, levels = [""] * len(asked), [0.0] * len(asked)
    for rows in in_state(ctx, learner, asked):
        queries = [Query(asked[r].image, asked[r].question) for r in rows]
        said = ctx.mllm.generate(queries, max_new_tokens=ctx.config.evaluate.max_new_tokens)
        likely = answer_log_probs(ctx.mllm, queries, [samples[r].truth for r in rows])
        for row, text, level in zip(rows, said, likely, strict=True):
            texts[row], levels[row] = text, level
    return texts, levels


def see(ctx: Context, learner: Learner, gallery: Gallery) -> dict[str, list[Any]]:
    """Features of every picture of the gallery at every site, as the learner's present state gives them."""
    asked = [GateQuery(ctx.benchmark.picture(s), s.question, s.entity) for s in gallery.samples]
    found: dict[str, list[Any]] = {site: [None] * len(asked) for site in SITES}
    for rows in in_state(ctx, learner, asked):
        for site, features in sights(
            ctx.mllm, [Query(asked[r].image, asked[r].question) for r in rows]
        ).items():
            for row, feature in zip(rows, features, strict=True):
                found[site][row] = feature
    return found


def beside_base(
    gallery: Gallery, base: dict[str, list[Any]], now: dict[str, list[Any]]
) -> dict[str, Any]:
    """For each site, what probes and angles say of each test picture, and the CKA of all of them."""
    test, found = [s for s in gallery.samples if s.role == "test"], {}
    for site in SITES:
        out = compare(base[site], now[site], gallery.labels, gallery.roles)
        columns = zip(test, out.refitted, out.carried, out.cosine, strict=True)
        pictures = [
            {
                "image": s.image,
                "entity": s.entity.key,
                "split": s.split,
                "refitted": own,
                "carried": old,
                "cosine": angle,
            }
            for s, own, old, angle in columns
        ]
        found[site] = {"cka": out.cka, "pictures": pictures}
    return found


def measure_run(
    root: Path, *, limit: int | None, tell: Callable[[str], object] = print
) -> list[dict[str, Any]]:
    """Every archived state of a run and the base, measured; what is measured already is read from RUN/alignment.

    One object a state: `method`, `after` (0 for the base), `pairs` (a row a question), `unpaired`, and `sites`.
    """
    opened = open_run(root)
    run = opened.folder
    states: list[tuple[str, list[str]]] = [("base", [])]
    for method in opened.config.methods:
        done = opened.archived(method)
        states += [(method, done[: n + 1]) for n in range(len(done))]
    of = {"version": VERSION, "limit": limit}
    paths = [run.alignment(method, done[-1] if done else "0") for method, done in states]
    missing = [state for state, path in zip(states, paths, strict=True) if not _measured(path, of)]
    if missing:
        with run.lock():
            _measure(run, missing, of, tell)
    return [read_json(path) for path in paths]


def _measured(path: Path, of: dict[str, Any]) -> bool:
    return path.is_file() and read_json(path)["of"] == of


def _measure(
    run: RunDir,
    states: list[tuple[str, list[str]]],
    of: dict[str, Any],
    tell: Callable[[str], object],
) -> None:
    ctx = _context(run)
    pairs, unpaired = make_pairs(ctx.benchmark, of["limit"])
    gallery, base = Gallery.of(ctx.benchmark), Base(ctx)
    base.at([])
    seen = see(ctx, base, gallery)
    learners: dict[str, Learner] = {"base": base}
    for method, done in states:
        if method not in learners:
            learners[method] = learner_for(method, ctx)
        learner = learners[method]
        learner.at(done)
        after = done[-1] if done else "0"
        tell(
            f"{run.root.name}: {method} after {after}: {len(pairs)} questions, {len(gallery.samples)} pictures"
        )
        sites = beside_base(gallery, seen, see(ctx, learner, gallery))
        asked = ask_pairs(ctx, learner, pairs)
        facts = {
            "of": of,
            "method": method,
            "after": after,
            "seed": ctx.config.seed,
            "unpaired": unpaired,
        }
        write_json(
            run.alignment(method, after),
            {**facts, "pairs": asked, "sites": sites},
        )


def _context(run: RunDir) -> Context:
    """The run as it was: its benchmark in its order, without what its base does not know."""
    config = run.config()
    whole = open_benchmark(config)
    ctx = Context(config, in_order(whole, config.benchmark.order), open_base(config, whole), run)
    return replace(ctx, benchmark=know_filter(ctx))


def measures(state: dict[str, Any], *, resamples: int) -> dict[str, dict[str, Any]]:
    """Each measure of a state: `value` and `ci95`, a bootstrap over entities, since one entity's questions fail together.

    Of the answers: `right`, `wrong`, `none`, `follows`, `gap_wrong` (right - wrong), `gap_none`; in nats a token of the
    truth: `logp_right`, `drop_wrong`, `drop_none`. Of each site and split: `<site>_refitted_<split>`, `<site>_carried_...`
    and `<site>_cosine_...`; and `<site>_cka`, without an interval.
    """
    rows = state["pairs"]
    columns: dict[str, list[float | None]] = {
        name: [r[name] for r in rows] for name in (*SHOWN, "follows", "logp_right")
    }
    for other in ("wrong", "none"):
        columns[f"gap_{other}"] = [_minus(r["right"], r[other]) for r in rows]
        columns[f"drop_{other}"] = [_minus(r["logp_right"], r[f"logp_{other}"]) for r in rows]
    found = {name: _with_interval(rows, values, resamples) for name, values in columns.items()}
    for site, facts in state["sites"].items():
        for kind in ("refitted", "carried", "cosine"):
            for split in ("retain", "forget"):
                part = [row for row in facts["pictures"] if row["split"] == split]
                values = [float(row[kind]) for row in part]
                found[f"{site}_{kind}_{split}"] = _with_interval(part, values, resamples)
        found[f"{site}_cka"] = {"value": round(facts["cka"], 6), "ci95": None}
    return found


def _with_interval(
    rows: Sequence[dict[str, Any]], values: Sequence[float | None], resamples: int
) -> dict[str, Any]:
    known = [(v, row["entity"]) for v, row in zip(values, rows, strict=True) if v is not None]
    out = clustered_mean([v for v, _ in known], [e for _, e in known], resamples=resamples)
    return {"value": out[0], "ci95": out[1]} if out else {"value": None, "ci95": None}


def _minus(one: float | None, two: float | None) -> float | None:
    return None if one is None or two is None else one - two
