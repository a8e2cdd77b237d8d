"""What an expert does before it may answer: measured on pictures and phrasings that nothing has learned from."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlubench.judging.rules.judge import RulesJudge
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.opening import EngineSource
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.adapters import remove_adapters
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.requests.gate_entry import GateWork
from mlubench.requests.kept import KeptSet
from mlubench.requests.measured import Measured, Rate
from mlubench.requests.place import Place
from mlubench.requests.reached import Reach
from mlubench.requests.scoping import as_benchmark, scoped_task
from mlubench.statistics.scores import Scored, score_of
from mlubench.types import Benchmark, Metric, Question, Sample

_RESAMPLES = 500
_BATCH = 32


@dataclass(frozen=True)
class Measuring:
    """What measuring takes."""

    work: GateWork
    request: str
    expert: str

    @property
    def place(self) -> Place:
        return self.work.place

    @property
    def kept(self) -> KeptSet:
        return self.work.kept

    @property
    def mllm(self) -> MLLM:
        return self.work.mllm

    def measure(self) -> Measured:
        """Ask the engine as it will be once the expert is in force."""
        source = _with_expert(self.place.now(), self.request, self.expert)
        engine = LUMoE.open(source, self.mllm)
        engine.forgotten = self.work.second_look_with(source, self.request)
        try:
            return self._measured(engine)
        finally:
            remove_adapters(self.mllm)

    def _measured(self, engine: LUMoE) -> Measured:
        task = scoped_task(self.place, self.request)
        benchmark = as_benchmark(self.place, self.request, task, self.kept)
        most = self.place.settings.measured
        by_picture = [s for s in task.forget if s.tests and s.image]
        by_name = [s for s in task.forget if s.tests and not s.image]
        shown = _some(by_picture, most)
        staying = _some([s for s in task.retain if s.tests], most)
        judge = _Judge(task.samples)
        said = _answers(engine, benchmark, shown, by_itself=True)
        unseen = [row for row in said if row.sample.phrasing > 0]
        # Of the gate alone: with `gates.on_hit=second-look` no route names an expert in the end.
        reach = Reach(self.place, self.kept, task, engine.hits, self.expert)
        return Measured(
            forget_quality=judge.score("forget_quality", said),
            unseen_phrasings=judge.score("forget_quality", unseen),
            by_name=judge.score(
                "forget_quality", _answers(engine, benchmark, by_name, by_itself=True)
            ),
            told_before=judge.score("utility", self._said_before(benchmark, shown)),
            utility=judge.score("utility", _answers(engine, benchmark, staying)),
            utility_before=judge.score("utility", self._said_before(benchmark, staying)),
            leak=reach.leak(),
            over_refusal=reach.over_refusal(),
            strangers=reach.strangers(),
        )

    def _said_before(self, benchmark: Benchmark, samples: Sequence[Sample]) -> list["Said"]:
        queries = [Query(benchmark.picture(s), s.question) for s in samples]
        texts: list[str] = []
        with self.mllm.adapters_off():
            for start in range(0, len(queries), _BATCH):
                texts += self.mllm.generate(queries[start : start + _BATCH], max_new_tokens=64)
        return [Said(sample, text) for sample, text in zip(samples, texts, strict=True)]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to a sample."""

    sample: Sample
    text: str


class _Judge:
    """The rules, with what they know of all truths around."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.judge = RulesJudge((s.entity.cls, s.truth) for s in samples)

    def score(self, metric: Metric, said: Sequence[Said]) -> Rate:
        questions = []
        for row in said:
            sample = row.sample
            questions.append(
                Question(metric, sample.entity.key, sample.question, sample.truth, row.text)
            )
        scored = []
        for row, verdict in zip(said, self.judge.judge(questions), strict=True):
            scored.append(Scored(row.sample.fact, verdict.score, {}))
        found = score_of(scored, resamples=_RESAMPLES)
        return Rate(value=found["score"], ci95=found["ci95"], n=found["n"])


def _answers(
    engine: LUMoE, benchmark: Benchmark, samples: Sequence[Sample], *, by_itself: bool = False
) -> list[Said]:
    """What the engine says, routed and looked at again.

    `by_itself` leaves the second look out, which would refuse in the place of an expert that has not learned to.
    """
    drafts = by_itself and engine.on_hit == "experts"
    ask = engine.drafts if drafts else engine.generate
    found = []
    for start in range(0, len(samples), _BATCH):
        part = samples[start : start + _BATCH]
        gate_queries = [GateQuery(benchmark.picture(s), s.question) for s in part]
        queries = [Query(query.image, query.question) for query in gate_queries]
        routes = engine.routes(gate_queries)
        texts = ask(queries, routes, max_new_tokens=64)
        found += [Said(sample, text) for sample, text in zip(part, texts, strict=True)]
    return found


def _some(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most so many, the same ones each time."""
    ordered = sorted(samples, key=lambda sample: sample.id)
    if len(ordered) <= most:
        return ordered
    return random.Random(0).sample(ordered, most)


def _with_expert(source: EngineSource, task: str, expert: str) -> EngineSource:
    """What counts, as if this expert answered for the task already."""
    assert source.in_force is not None
    requests = {**source.in_force.requests, task: expert}
    return replace(source, in_force=source.in_force.model_copy(update={"requests": requests}))
