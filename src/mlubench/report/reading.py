"""Reads results.json into the few shapes that the table, the figures and the page share."""

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from mlubench.core.errors import MlubenchError
from mlubench.core.files import read_json
from mlubench.statistics.directions import BETTER
from mlubench.types import Metric

SCHEMA_VERSION = 1
TITLES: dict[Metric, str] = {"forget_quality": "Forget quality", "utility": "Utility"}
_MEASURED: dict[Metric, str] = {
    "forget_quality": "quality of refusal on what must go",
    "utility": "correctness on what must stay",
}
MEANINGS = {metric: f"{what}; {BETTER[metric]} is better" for metric, what in _MEASURED.items()}
BASE = "base"
LABELS = {name: name.upper() for name in ("ga", "gd", "kl", "npo", "po", "dpo")} | {
    "lumoe": "LUMoE",
    "lumoe+oracle": "LUMoE + oracle",
    BASE: "Base",
}
STAND_INS = "Pictures are drawn stand-ins, not photographs: compare these scores with each other, not with published ones."


def _finite(value: Any) -> Any:
    """NaN and infinities are no scores; they become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _interval(value: Any) -> Any:
    """An interval with a missing end is no interval."""
    if isinstance(value, list | tuple) and any(_finite(end) is None for end in value):
        return None
    return value


Number = Annotated[float | None, BeforeValidator(_finite)]
Interval = Annotated[tuple[float, float] | None, BeforeValidator(_interval)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Score(_Row):
    """One X-UY score. In `Results.base`, `method` and `after` are empty: nothing was unlearned yet."""

    method: str = ""
    task: str
    after: str = ""
    metric: str
    score: Number = None
    ci95: Interval = None
    n: int = 0
    unscored: int = 0
    judge: str = ""
    rouge_l: Number = None
    truth_probability: Number = None
    truth_probability_missing: int = 0
    by: str = ""
    value: Annotated[str, BeforeValidator(str)] = ""


class Summary(_Row):
    method: str
    judge: str = ""
    stability: dict[str, Number] = {}
    final: dict[str, Number] = {}
    train_seconds: Number = None
    peak_memory_bytes: Number = None


class Comparison(_Row):
    """Score of `a` minus score of `b` on the same samples; task `all` is the answers of all tasks together."""

    metric: Metric
    task: str
    after: str
    a: str
    b: str
    difference: Number = None
    ci95: Interval = None
    n: int = 0
    judge: str = ""


class GateRow(_Row):
    gate: str
    after: str = ""
    leak_rate: Number = None
    over_refusal_rate: Number = None
    wrong_expert_rate: Number = None
    unseen_refusal_rate: Number = None
    auroc: Number = None
    fpr95: Number = None
    configured: bool = False
    failed: int = 0
    n: int = 0
    latency_ms_p50: Number = None

    def interval(self, rate: str) -> tuple[float, float] | None:
        """The 95% interval of `rate`, when the run measured one."""
        found = _interval((self.model_extra or {}).get(f"{rate}_ci95"))
        return (
            (float(found[0]), float(found[1]))
            if isinstance(found, list | tuple) and len(found) == 2
            else None
        )


class BenchmarkFacts(_Row):
    kind: str = ""
    tasks: list[str] = []
    digest: str = ""
    facts: int | None = None
    facts_dropped: int | None = None


class RunFacts(_Row):
    preset: str | None = None
    seed: int | None = None
    stand_ins: bool = False
    benchmark: BenchmarkFacts = BenchmarkFacts()
    model: str | None = None
    methods: list[str] = []
    versions: dict[str, Any] = {}
    device: str | None = None
    seconds: Number = None
    finished: str | None = None
    train_images: str | None = None


class Results(_Row):
    """A run's results.json. Keys that this version does not know are kept and ignored."""

    schema_version: int
    run: RunFacts = RunFacts()
    base: list[Score] = []
    cells: list[Score] = []
    upper_bound: list[Score] = []
    breakdowns: list[Score] = []
    comparisons: list[Comparison] = []
    summary: list[Summary] = []
    gates: list[GateRow] = []

    @property
    def tasks(self) -> list[str]:
        """The sequence, in the order it was run; tasks that the run does not list come last."""
        seen = [
            *self.run.benchmark.tasks,
            *(cell.task for cell in self.cells),
            *(cell.after for cell in self.cells),
        ]
        return list(dict.fromkeys(seen))

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(cell.method for cell in self.cells))

    @property
    def judges(self) -> list[str]:
        return list(dict.fromkeys(cell.judge for cell in [*self.cells, *self.base])) or [""]

    def scores(self, judge: str, metric: str) -> dict[tuple[str, str, str], Score]:
        """(method, task, after) -> score."""
        rows = (
            c for c in [*self.cells, *self.upper_bound] if c.judge == judge and c.metric == metric
        )
        return {(cell.method, cell.task, cell.after): cell for cell in rows}

    def base_scores(self, judge: str, metric: str) -> dict[str, Score]:
        """Task -> score of the model before any unlearning."""
        return {
            cell.task: cell for cell in self.base if cell.judge == judge and cell.metric == metric
        }

    def last_archive(self, method: str) -> str:
        """The last task after which `method` was tested: the end of the sequence, unless the run is partial."""
        reached = {cell.after for cell in self.cells if cell.method == method}
        return next((task for task in reversed(self.tasks) if task in reached), "")

    def steps(self) -> list[tuple[str, str]]:
        """Every (X, Y) of X-UY: each task with each archive at or after it, in the order of the sequence."""
        tasks = self.tasks
        return [(task, after) for index, task in enumerate(tasks) for after in tasks[index:]]


def parse_results(results: dict[str, Any]) -> Results:
    """Checked results. Raises MlubenchError naming the first key that cannot be used."""
    version = results.get("schema_version")
    if version != SCHEMA_VERSION:
        raise MlubenchError(
            f"results have schema_version {version!r}, this version reads {SCHEMA_VERSION}",
            "Write them anew with `mlubench judge RUN`, or use the version of mlubench that wrote them.",
        )
    try:
        return Results.model_validate(results)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MlubenchError(
            f"results cannot be used: {where}: {first['msg']}, got {first['input']!r:.80}",
            "Write them anew with `mlubench judge RUN`.",
        ) from None


def load_results(run_dir: Path) -> dict[str, Any]:
    """RUN/results.json as written. Raises MlubenchError when it is absent or broken."""
    results = read_json(run_dir / "results.json")
    if not isinstance(results, dict):
        raise MlubenchError(
            f"{run_dir / 'results.json'} is not an object",
            "Write it anew with `mlubench judge RUN`.",
        )
    return results


def label(method: str) -> str:
    """The name people know a method by; one we do not know is shown as it is."""
    return LABELS.get(method, method)
