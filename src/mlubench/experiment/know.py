"""Know, then unlearn: a fact stays only if the base answers it right on pictures held out from all training."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from pydantic import BaseModel, Field

from mlubench.core import processes
from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.experiment.answering import answer_cell
from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base
from mlubench.judging.run import make_judge
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_answers
from mlubench.runs.wholeness import record
from mlubench.statistics.scores import FULL
from mlubench.types import Benchmark, Sample

JUDGE = "rules"  # what the base knows does not depend on who judges the unlearning


class FactRow(BaseModel, frozen=True):
    """What the base knows of one fact."""

    fact: str
    entity: str = ""
    cls: str = Field("", alias="class")  # `class` is a word of Python's own
    task: str = ""
    split: str = ""
    truth: str = ""
    score: float | None = None  # mean correctness, 0 to 1; None where no picture asks for it
    n: int = 0
    why: str = ""


class DropRates(BaseModel, frozen=True):
    """The share of facts that go, by class and by entity."""

    cls: dict[str, float] = Field({}, alias="class")
    entity: dict[str, float] = {}


class Knowledge(BaseModel, frozen=True):
    """What know.json holds."""

    min_score: float
    judge: str
    facts: int
    kept: int
    drop_rates: DropRates
    dropped: list[FactRow]


def know_filter(ctx: Context) -> Benchmark:
    """The benchmark without the facts that the base does not know; what was dropped and why is kept in know.json.

    Asked are all phrasings on the `calibrate` pictures, which no training has seen and no score is measured on.
    """
    settings = ctx.config.know
    if not settings.enabled:
        return ctx.benchmark
    path = ctx.run.know_answers
    # Neither trained on nor tested on: choosing facts by test pictures would flatter the scores.
    asked = [s for s in ctx.benchmark.samples if s.calibrates]
    if not processes.agreed(path.is_file):
        base = Base(ctx)
        base.at([])
        answer_cell(path, asked, base, batch=ctx.config.evaluate.batch, known={})
        processes.written(lambda: record(ctx.run, path))

    def judge() -> set[str]:
        if not ctx.run.know.is_file():
            known = _judge(ctx, settings.min_score)
            write_json(ctx.run.know, known.model_dump(by_alias=True))
        return dropped_facts(ctx.run)

    return without(ctx.benchmark, processes.agreed(judge))


def dropped_facts(run: RunDir) -> set[str]:
    """The facts that the base does not know, as the run's know.json lists them."""
    return {row.fact for row in read_json(run.know, Knowledge).dropped}


def without(benchmark: Benchmark, dropped: set[str]) -> Benchmark:
    """The benchmark without these facts. Raises MlubenchError when a split would be left empty."""

    def known(samples: Iterable[Sample]) -> tuple[Sample, ...]:
        return tuple(s for s in samples if s.fact not in dropped)

    tasks = []
    for whole in benchmark:
        task = replace(whole, forget=known(whole.forget), retain=known(whole.retain))
        tasks.append(task)
        for split in ("forget", "retain"):
            if not any(s.tests for s in task.split(split)):
                raise MlubenchError(
                    f"the base knows no fact of task {task.name}'s {split} set",
                    "Lower know.min_score, or train a base that knows them (model.toy.steps, model.real.steps).",
                )
    return replace(benchmark, tasks=tuple(tasks))


def _judge(ctx: Context, least: float) -> Knowledge:
    """The facts whose mean correctness (0-1) on their calibration pictures is below `least`."""
    rows = read_answers(ctx.run.know_answers)
    # Correctness is asked of forget samples too: nothing is unlearned yet.
    questions = [replace(row.to_judge(), metric="utility") for row in rows]
    references = [(s.entity.cls, s.truth) for s in ctx.benchmark.samples]
    verdicts = make_judge(JUDGE, references).judge(questions)
    scores = defaultdict(list)
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict.score is not None:
            scores[row.fact].append(verdict.score / FULL)
    facts = {s.fact: s for s in ctx.benchmark.samples}
    judged = [_fact_row(sample, scores.get(fact, [])) for fact, sample in sorted(facts.items())]
    dropped = [row for row in judged if row.score is None or row.score < least]
    gone = {row.fact for row in dropped}
    drop_rates = {
        "class": _rates(facts, gone, lambda s: s.entity.cls),
        "entity": _rates(facts, gone, lambda s: s.entity.key),
    }
    return Knowledge(
        min_score=least,
        judge=JUDGE,
        facts=len(facts),
        kept=len(facts) - len(gone),
        drop_rates=DropRates.model_validate(drop_rates),
        dropped=dropped,
    )


def _fact_row(sample: Sample, scores: list[float]) -> FactRow:
    row = {
        "fact": sample.fact,
        "entity": sample.entity.key,
        "class": sample.entity.cls,
        "task": sample.task,
        "split": sample.split,
        "truth": sample.truth,
        "score": sum(scores) / len(scores) if scores else None,
        "n": len(scores),
        "why": "the base does not know it" if scores else "no calibration picture",
    }
    return FactRow.model_validate(row)


def _rates(
    facts: dict[str, Sample], gone: set[str], key: Callable[[Sample], str]
) -> dict[str, float]:
    groups = defaultdict(list)
    for fact, sample in facts.items():
        groups[key(sample)].append(fact in gone)
    return {name: round(sum(flags) / len(flags), 4) for name, flags in sorted(groups.items())}
