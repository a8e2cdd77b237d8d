"""Is the language model still joined to what it sees? Asks every archived state with the right, a wrong and no picture."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, write_json
from mlubench.core.reading import read_json
from mlubench.experiment.context import Context
from mlubench.experiment.know import know_filter
from mlubench.experiment.learners.base import Base, Learner
from mlubench.experiment.learners.lumoe import LumoeLearner
from mlubench.experiment.learners.making import learner_for
from mlubench.experiment.prepare import open_base, open_benchmark, unlearned_part
from mlubench.experiment.samples import samples_to_test
from mlubench.judging.run import make_judge
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.probe import SITES, answer_log_probs, compare, features_by_site
from mlubench.models.query import Query
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
    asked: list[Sample] = []
    for task in benchmark:
        asked += [sample for sample in samples_to_test(task, limit) if sample.split == "retain"]
    # (class, question) -> the samples whose pictures the question can be asked of
    candidates: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in benchmark.samples:
        if sample.split == "retain" and sample.role == "test":
            candidates[sample.entity.cls, sample.question].append(sample)
    judge = rules_judge(benchmark)
    pairs = []
    for sample in asked:
        other = _wrong_one(judge, sample, candidates[sample.entity.cls, sample.question])
        if other is not None:
            pairs.append(Pair(sample, other))
    if not pairs:
        raise MlubenchError(
            "no retain entity has another of its class to take a wrong picture from",
            "Use more entities.",
        )
    return pairs, len(asked) - len(pairs)


def rules_judge(benchmark: Benchmark) -> Judge:
    references = [(sample.entity.cls, sample.truth) for sample in benchmark.samples]
    return make_judge("rules", references)


def _wrong_one(judge: Judge, sample: Sample, candidates: Sequence[Sample]) -> Sample | None:
    """The sample whose picture is to be the wrong one."""
    others = [other for other in candidates if other.entity != sample.entity]
    # By hash, so that the choice is spread over the others and the same every time.
    others.sort(key=lambda other: digest([sample.id, other.image, other.truth]))
    for other in others:
        # Neither truth may score as the other: else an answer would not tell which picture it is about.
        crossed = [_utility(sample, other.truth), _utility(other, sample.truth)]
        if all(verdict.score == 0 for verdict in judge.judge(crossed)):
            return other
    return None


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
        """A number for each entity, as probes want classes."""
        keys = sorted({sample.entity.key for sample in self.samples})
        numbers = {key: number for number, key in enumerate(keys)}
        return [numbers[sample.entity.key] for sample in self.samples]

    @property
    def roles(self) -> list[str]:
        return [s.role for s in self.samples]


def in_state(ctx: Context, learner: Learner, queries: Sequence[GateQuery]) -> Iterator[list[int]]:
    """Rows of the queries, batch by batch, each while the adapters are on that the learner answers these rows with."""
    size = ctx.config.evaluate.batch
    if not isinstance(learner, LumoeLearner):
        # One state answers everything.
        for start in range(0, len(queries), size):
            yield list(range(start, min(start + size, len(queries))))
        return
    engine = learner.engine
    routes = engine.routes(queries)
    # Rows that share their experts share a batch, since the experts are mounted for a whole batch.
    rows_of: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, route in enumerate(routes):
        rows_of[route.experts].append(row)
    for rows in rows_of.values():
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            with engine.answering([routes[row] for row in batch]):
                yield batch


def ask_pairs(ctx: Context, learner: Learner, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """What the learner says to each pair's question with each picture, how likely it finds the truth, and the scores.

    A score is 0 to 1, or None when it could not be judged. `follows` is that of the answer to the wrong picture, judged
    by the truth about the picture that was shown.
    """
    judge = rules_judge(ctx.benchmark)
    samples = [pair.sample for pair in pairs]
    rows: list[dict[str, Any]] = []
    for sample in samples:
        rows.append({"id": sample.id, "entity": sample.entity.key, "fact": sample.fact})
    for shown in SHOWN:
        queries = [_shown(ctx.benchmark, pair, shown) for pair in pairs]
        texts, log_probs = _answers(ctx, learner, queries, samples)
        scores = _scores(judge, samples, texts)
        for row, text, log_prob, score in zip(rows, texts, log_probs, scores, strict=True):
            row[f"answer_{shown}"] = text
            row[f"logp_{shown}"] = round(log_prob, 5)
            row[shown] = score
    others = [pair.other for pair in pairs]
    follows = _scores(judge, others, [row["answer_wrong"] for row in rows])
    for row, score in zip(rows, follows, strict=True):
        row["follows"] = score
    return rows


def _scores(judge: Judge, samples: Sequence[Sample], texts: Sequence[str]) -> list[float | None]:
    """Correctness (0-1) of each text as the answer to its sample; None where it could not be judged."""
    questions = [_utility(sample, text) for sample, text in zip(samples, texts, strict=True)]
    scores = [verdict.score for verdict in judge.judge(questions)]
    return [None if score is None else score / FULL for score in scores]


def _shown(benchmark: Benchmark, pair: Pair, shown: str) -> GateQuery:
    """The pair's question with one of the pictures SHOWN."""
    question = pair.sample.question
    if shown == "none":
        return GateQuery(None, question, None)
    source = pair.sample if shown == "right" else pair.other
    return GateQuery(benchmark.picture(source), question, source.entity)


def _answers(
    ctx: Context, learner: Learner, asked: Sequence[GateQuery], samples: Sequence[Sample]
) -> tuple[list[str], list[float]]:
    """What the learner says to each query, and the mean log-probability (nats a token) of the sample's truth."""
    texts = [""] * len(asked)
    log_probs = [0.0] * len(asked)
    for rows in in_state(ctx, learner, asked):
        queries = [Query(asked[row].image, asked[row].question) for row in rows]
        truths = [samples[row].truth for row in rows]
        answers = ctx.mllm.generate(queries, max_new_tokens=ctx.config.evaluate.max_new_tokens)
        likely = answer_log_probs(ctx.mllm, queries, truths)
        for row, text, log_prob in zip(rows, answers, likely, strict=True):
            texts[row] = text
            log_probs[row] = log_prob
    return texts, log_probs


def see(ctx: Context, learner: Learner, gallery: Gallery) -> dict[str, list[Any]]:
    """Site -> features (H,) of every picture of the gallery, as the learner's present state gives them."""
    asked = []
    for sample in gallery.samples:
        asked.append(GateQuery(ctx.benchmark.picture(sample), sample.question, sample.entity))
    found: dict[str, list[Any]] = {site: [None] * len(asked) for site in SITES}
    for rows in in_state(ctx, learner, asked):
        queries = [Query(asked[row].image, asked[row].question) for row in rows]
        for site, features in features_by_site(ctx.mllm, queries).items():
            for row, feature in zip(rows, features, strict=True):
                found[site][row] = feature
    return found


def beside_base(
    gallery: Gallery, base: dict[str, list[Any]], now: dict[str, list[Any]]
) -> dict[str, Any]:
    """For each site, what probes and angles say of each test picture, and the CKA of all of them."""
    test = [sample for sample in gallery.samples if sample.role == "test"]
    found = {}
    for site in SITES:
        compared = compare(base[site], now[site], gallery.labels, gallery.roles)
        pictures = []
        for index, sample in enumerate(test):
            pictures.append(
                {
                    "image": sample.image,
                    "entity": sample.entity.key,
                    "split": sample.split,
                    "refitted": compared.refitted[index],
                    "carried": compared.carried[index],
                    "cosine": compared.cosine[index],
                }
            )
        found[site] = {"cka": compared.cka, "pictures": pictures}
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
    return [read_json(path, dict[str, Any]) for path in paths]


def _measured(path: Path, of: dict[str, Any]) -> bool:
    return path.is_file() and read_json(path, dict[str, Any])["of"] == of


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
    ctx = Context(config, unlearned_part(whole, config.benchmark), open_base(config, whole), run)
    return replace(ctx, benchmark=know_filter(ctx))


def measures(state: dict[str, Any], *, resamples: int) -> dict[str, dict[str, Any]]:
    """Each measure of a state: `value` and `ci95`, a bootstrap over entities, since one entity's questions fail together.

    Of the answers: `right`, `wrong`, `none`, `follows`, `gap_wrong` (right - wrong), `gap_none`; in nats a token of the
    truth: `logp_right`, `drop_wrong`, `drop_none`. Of each site and split: `<site>_refitted_<split>`, `<site>_carried_...`
    and `<site>_cosine_...`; and `<site>_cka`, without an interval.
    """
    rows = state["pairs"]
    columns: dict[str, list[float | None]] = {}
    for name in (*SHOWN, "follows", "logp_right"):
        columns[name] = [row[name] for row in rows]
    for other in ("wrong", "none"):
        columns[f"gap_{other}"] = [_minus(row["right"], row[other]) for row in rows]
        columns[f"drop_{other}"] = [_minus(row["logp_right"], row[f"logp_{other}"]) for row in rows]
    found = {name: _with_interval(rows, values, resamples) for name, values in columns.items()}
    for site, facts in state["sites"].items():
        for kind in ("refitted", "carried", "cosine"):
            for split in ("retain", "forget"):
                pictures = [row for row in facts["pictures"] if row["split"] == split]
                values = [float(row[kind]) for row in pictures]
                found[f"{site}_{kind}_{split}"] = _with_interval(pictures, values, resamples)
        found[f"{site}_cka"] = {"value": round(facts["cka"], 6), "ci95": None}
    return found


def _with_interval(
    rows: Sequence[dict[str, Any]], values: Sequence[float | None], resamples: int
) -> dict[str, Any]:
    known = []
    entities = []
    for value, row in zip(values, rows, strict=True):
        if value is not None:
            known.append(value)
            entities.append(row["entity"])
    result = clustered_mean(known, entities, resamples=resamples)
    if result is None:
        return {"value": None, "ci95": None}
    mean, interval = result
    return {"value": mean, "ci95": interval}


def _minus(one: float | None, two: float | None) -> float | None:
    return None if one is None or two is None else one - two
