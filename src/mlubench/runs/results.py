"""The one schema of results.json: `judging.scoring` writes it with these types, everything else reads it with them.

Keys are only added, never renamed, since scripts depend on them. A key that this version does not know is kept. A key
that was not given when a row was made is not written.
"""

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_json
from mlubench.core.reading import of_shape, read_json
from mlubench.types import Metric, ProtocolName

SCHEMA_VERSION = 1
_WRITE_ANEW = "Write them anew with `mlubench judge RUN`."


def _finite(value: Any) -> Any:
    """NaN and infinities are no scores; they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _whole_interval(value: Any) -> Any:
    """An interval with a missing end is no interval."""
    if isinstance(value, list | tuple) and any(_finite(end) is None for end in value):
        return None
    return value


# `int` is named so that a whole number is written as it was given.
Number = Annotated[int | float | None, BeforeValidator(_finite)]
Interval = Annotated[tuple[float, float] | None, BeforeValidator(_whole_interval)]  # 95%


class _Row(BaseModel):
    """Fields stand in the order in which they are written. Defaults are for files of partial and of older runs."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def as_json(self) -> dict[str, Any]:
        """What is written: the keys that were given, and those that this version does not know."""
        return self.model_dump(mode="json", exclude_unset=True)


class CellRow(_Row):
    """One X-UY score: `task` tested after unlearning up to `after`."""

    method: str = ""
    task: str
    after: str = ""  # "0" for the base: nothing was unlearned yet
    metric: str
    score: Number = None  # 0 to 1; None where no answer could be judged
    ci95: Interval = None  # a bootstrap over facts
    n: int = 0  # answers that were scored
    unscored: int = 0  # answers that could not be judged; they are no part of `n`
    judge: str = ""
    # The rest needs no judge.
    rouge_l: Number = None  # mean ROUGE-L of the answers to their truths, 0 to 1
    # Mean length-normalised probability of the truths to the models that answered, 0 to 1; only where the run measures it.
    truth_probability: Number = None
    truth_probability_missing: int = (
        0  # answers without one, as a failed gate's refusals; they are left out of the mean
    )


class BreakdownRow(_Row):
    """The part of a cell whose answers have `value` in common."""

    method: str = ""
    task: str
    after: str = ""
    metric: str
    by: str = ""  # phrasing, class, entity, picture, or whether the fact was known before
    value: Annotated[str, BeforeValidator(str)] = ""
    score: Number = None
    ci95: Interval = None
    n: int = 0
    unscored: int = 0
    judge: str = ""


class ComparisonRow(_Row):
    """Score of method `a` minus score of method `b` on the samples that both answered."""

    metric: Metric
    task: str  # `all`: the answers of all tasks together
    after: str
    a: str
    b: str
    difference: Number = None  # -1 to 1
    ci95: Interval = None
    n: int = 0
    judge: str = ""


class SummaryRow(_Row):
    """What a method comes to over the whole sequence."""

    method: str
    judge: str = ""
    stability: dict[
        str, Number
    ] = {}  # by metric; lower is better, but a dead model is perfectly stable
    final: dict[str, Number] = {}  # by metric: the mean over tasks after the last one
    train_seconds: Number = None
    peak_memory_bytes: int | None = None
    trained_parameters: int | None = None
    # Answers whose gate failed, by who answered instead: a fixed refusal, or the base. Only of a method with a gate.
    gate_failed_refused: int | None = None
    gate_failed_base: int | None = None


class _RateRow(_Row):
    """Rates, each with its interval and its number of queries."""

    def interval(self, rate: str) -> tuple[float, float] | None:
        """The 95% interval of the rate of that name, where the run measured one."""
        found: tuple[float, float] | None = getattr(self, f"{rate}_ci95")
        return found


class GatePart(_RateRow):
    """How a gate routes the test pictures that have `value` in common. `GateRow` says what each rate counts."""

    by: str = ""  # picture
    value: str = ""
    leak_rate: Number = None
    leak_rate_ci95: Interval = None
    leak_rate_n: int = 0
    over_refusal_rate: Number = None
    over_refusal_rate_ci95: Interval = None
    over_refusal_rate_n: int = 0
    wrong_expert_rate: Number = None
    wrong_expert_rate_ci95: Interval = None
    wrong_expert_rate_n: int = 0


class EndingRow(_Row):
    """What a method's answers are like after the last task, whoever judges them: counts over the answers of one split."""

    method: str
    after: str = ""  # "0" for the base
    split: str
    n: int = 0  # answers
    refusals: int = 0
    gibberish: int = 0  # no sound language, or nothing
    distinct: int = 0  # different answers
    distinct_truths: int = 0  # different truths that were asked for


class StatedRow(_Row):
    """What a gate says of its errors before it is measured."""

    # The share of pictures of other things that reach an expert at most; None where nothing can be stated.
    strangers: Number = None
    background: str = ""  # which other things that rests on
    background_things: int = 0
    background_pictures: int = 0
    # The share of new pictures of requests that is likely to be missed, and how many pictures were left out for it.
    leak: Number = None
    pictures: int = 0
    flagged: dict[str, str] = {}  # requests that something is wrong with, and what
    in_words: str = ""


class GateRow(_RateRow):
    """How a gate routes the test pictures after a task. Each rate comes with its interval and its number of queries."""

    gate: str
    after: str = ""
    # Forget queries that do not reach their expert.
    leak_rate: Number = None
    leak_rate_ci95: Interval = None
    leak_rate_n: int = 0
    # Retain queries that reach an expert.
    over_refusal_rate: Number = None
    over_refusal_rate_ci95: Interval = None
    over_refusal_rate_n: int = 0
    # Forget queries that reach another expert than theirs: a part of the leaks.
    wrong_expert_rate: Number = None
    wrong_expert_rate_ci95: Interval = None
    wrong_expert_rate_n: int = 0
    # Queries about entities that no task so far names, and that reach an expert.
    unseen_refusal_rate: Number = None
    unseen_refusal_rate_ci95: Interval = None
    unseen_refusal_rate_n: int = 0
    # Queries about entities of no task that reach an expert. They are in no other number of this row.
    stranger_rate: Number = None
    stranger_rate_ci95: Interval = None
    stranger_rate_n: int = 0
    no_strangers: str = ""  # why there were none to ask about
    # What follows is of the answers themselves, by the rules judge. Only of the gate that routed, and of the oracle.
    second_look: str = ""  # off, band or always
    # Forget queries whose final answer tells the fact or a part of it, and those whose answer did before the second look.
    harm_rate: Number = None
    harm_rate_ci95: Interval = None
    harm_rate_n: int = 0
    draft_harm_rate: Number = None
    # Retain queries that the base had right and that are no longer right, and those that were not before the second look.
    lost_rate: Number = None
    lost_rate_ci95: Interval = None
    lost_rate_n: int = 0
    draft_lost_rate: Number = None
    held_back: int | None = None  # answers that the second look replaced
    # Of forget against retain queries, by the route's score.
    auroc: Number = None
    auroc_ci95: Interval = None
    fpr95: Number = None
    fpr95_ci95: Interval = None
    failed: int = 0  # queries that the gate could not place
    refused: int = 0  # of these, how many were not left to the base
    n: int = 0
    latency_ms_p50: Number = None
    usd_per_query: Number = None  # None where the price is not known
    # Earlier calibration pictures that go elsewhere than before the last task, and how many were looked at.
    rerouted: int | None = None
    rerouted_n: int | None = None
    configured: bool = False  # whether this gate routes; the others are measured beside it
    stated: StatedRow | None = None  # None where the gate says nothing beforehand
    breakdowns: list[GatePart] = []  # only where the benchmark says of which kind its pictures are


class BenchmarkFacts(_Row):
    """What the run was made with."""

    kind: str = ""  # `world` or `release`
    seed: int | None = None
    tasks: list[str] = []  # in the order of the run
    digest: str = ""
    facts: int | None = None
    facts_dropped: int | None = None  # of them, those that the base did not know
    protocol: ProtocolName = "held-out"  # runs from before it was a setting were held-out


class RunFacts(_Row):
    """What run.json says of a run. In results.json it is without `image_root`, which is this machine's own affair."""

    preset: str | None = None
    seed: int | None = None
    stand_ins: bool = False  # whether the pictures are drawn stand-ins
    model: str | None = None
    model_sha256: dict[str, str] = {}  # by file
    device: str | None = None
    processes: int | None = None
    sharded: bool | None = None
    gate: str | None = None
    judge: str | None = None
    train_images: str | None = None
    train_scope: str | None = None
    methods: list[str] = []
    image_root: str | None = None
    versions: dict[str, Any] = {}  # by package
    tested_samples: dict[str, dict[str, int]] = {}  # by task and split
    benchmark: BenchmarkFacts = BenchmarkFacts()
    seconds: Number = None  # of all processes that came to their end
    finished: str | None = None  # ISO 8601


class Results(_Row):
    """A run's results.json. It holds finished cells only, so a partial run has fewer."""

    schema_version: int
    run: RunFacts = RunFacts()
    base: list[CellRow] = []  # the model before any unlearning
    cells: list[CellRow] = []  # one for each judge, method, task, after and metric
    upper_bound: list[CellRow] = []  # LUMoE behind the gate that is told the entity
    references: list[CellRow] = []  # its gate without experts, and the base with a prompt
    breakdowns: list[BreakdownRow] = []
    comparisons: list[ComparisonRow] = []
    reference_comparisons: list[ComparisonRow] = []  # LUMoE and each reference
    summary: list[SummaryRow] = []
    endings: list[EndingRow] = []  # how each method ends
    gates: list[GateRow] = []

    @property
    def tasks(self) -> list[str]:
        """The sequence, in the order it was run; tasks that the run does not list come last."""
        tested = [cell.task for cell in self.cells]
        archived = [cell.after for cell in self.cells]
        return list(dict.fromkeys([*self.run.benchmark.tasks, *tested, *archived]))

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(cell.method for cell in self.cells))

    @property
    def judges(self) -> list[str]:
        """In the order in which they were named; one without a name where nothing was judged."""
        return list(dict.fromkeys(cell.judge for cell in [*self.cells, *self.base])) or [""]

    def scores(self, judge: str, metric: str) -> dict[tuple[str, str, str], CellRow]:
        """(method, task, after) -> the cell, of the methods, the upper bound and the references."""
        found = {}
        for cell in [*self.cells, *self.upper_bound, *self.references]:
            if cell.judge == judge and cell.metric == metric:
                found[cell.method, cell.task, cell.after] = cell
        return found

    def base_scores(self, judge: str, metric: str) -> dict[str, CellRow]:
        """Task -> the cell of the model before any unlearning."""
        found = {}
        for cell in self.base:
            if cell.judge == judge and cell.metric == metric:
                found[cell.task] = cell
        return found

    def last_archive(self, method: str) -> str:
        """The last task after which `method` was tested: the end of the sequence, unless the run is partial."""
        reached = {cell.after for cell in self.cells if cell.method == method}
        return next((task for task in reversed(self.tasks) if task in reached), "")

    def steps(self) -> list[tuple[str, str]]:
        """Every (X, Y) of X-UY: each task with each archive at or after it, in the order of the sequence."""
        tasks = self.tasks
        return [(task, after) for index, task in enumerate(tasks) for after in tasks[index:]]

    def write(self, path: Path) -> None:
        write_json(path, self.as_json())


class _Version(_Row):
    """What is read of results first: those of another version are not of this schema."""

    schema_version: Any = None


def parse_results(raw: object, where: str = "results") -> Results:
    """Checked results. Raises MlubenchError naming the first key that cannot be used."""
    version = of_shape(raw, _Version, where, _WRITE_ANEW).schema_version
    if version != SCHEMA_VERSION:
        raise MlubenchError(
            f"{where} has schema_version {version!r}, this version reads {SCHEMA_VERSION}",
            "Write them anew with `mlubench judge RUN`, or use the version of mlubench that wrote them.",
        )
    return of_shape(raw, Results, where, _WRITE_ANEW)


def read_results(path: Path) -> Results:
    """The results in a file. Raises MlubenchError when it is absent, broken or of another version."""
    return parse_results(read_json(path, object, _WRITE_ANEW), str(path))
