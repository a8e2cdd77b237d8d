"""The one schema of results.json: `judging.scoring` writes it with these types, everything else reads it with them.

Keys are only added, never renamed, since scripts depend on them. A key that this version does not know is kept. A key
that was not given when a row was made is not written.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_json
from mlubench.core.reading import of_shape, read_json
from mlubench.runs.gate_rows import GateRow
from mlubench.runs.result_row import Interval, Number, Row
from mlubench.types import Metric, ProtocolName

SCHEMA_VERSION = 1
_WRITE_ANEW = (
    "`mlubench status RUN` says how far the run is, and `mlubench run` with the same settings and --out goes on. Of a "
    "finished one `mlubench judge RUN` writes them anew."
)


class CellRow(Row):
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


class BreakdownRow(Row):
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


class ComparisonRow(Row):
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


class TakenInRow(Row):
    """What a reference that trains nothing took to take in a task: from the request to its effect."""

    method: str
    task: str
    # Looking at the examples, setting thresholds, reading names. The model was loaded before.
    seconds: float
    requests: int  # that have pictures
    examples: int  # their pictures
    # At most this share of new pictures of the requests is missed, where they are drawn as the examples were; the mean
    # over requests. None where no request has a picture.
    stated_miss_rate: Number = None


class SummaryRow(Row):
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


class EndingRow(Row):
    """What a method's answers are like after the last task, whoever judges them: counts over the answers of one split."""

    method: str
    after: str = ""  # "0" for the base
    split: str
    n: int = 0  # answers
    refusals: int = 0
    # Refusals that claim not to know, by the rules for English; the others only decline. None in earlier results.
    claims_ignorance: int | None = None
    gibberish: int = 0  # no sound language, or nothing
    distinct: int = 0  # different answers
    distinct_truths: int = 0  # different truths that were asked for


class BenchmarkFacts(Row):
    """What the run was made with."""

    kind: str = ""  # `world` or `release`
    seed: int | None = None
    tasks: list[str] = []  # in the order of the run
    digest: str = ""
    facts: int | None = None
    facts_dropped: int | None = None  # of them, those that the base did not know
    protocol: ProtocolName = "held-out"  # runs from before it was a setting were held-out
    forget_share: float = 1.0  # of each forget entity's facts


class RunFacts(Row):
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


class Results(Row):
    """A run's results.json. It holds finished cells only, so a partial run has fewer."""

    schema_version: int
    run: RunFacts = RunFacts()
    base: list[CellRow] = []  # the model before any unlearning
    cells: list[CellRow] = []  # one for each judge, method, task, after and metric
    upper_bound: list[CellRow] = []  # LUMoE behind the gate that is told the entity
    # LUMoE's gate without experts, the base with a prompt, the base behind a gate without training.
    references: list[CellRow] = []
    taken_in: list[TakenInRow] = []  # by references that train nothing
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


class _Version(Row):
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
