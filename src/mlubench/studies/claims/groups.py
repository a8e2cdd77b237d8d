"""Which of the runs given belong together: seeds of the same settings, and settings that differ in what may change."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlubench.core.errors import UsageError
from mlubench.report.liveness import dead_archives
from mlubench.runs.opening import Run, open_run
from mlubench.runs.results import Results
from mlubench.settings.loading import flat
from mlubench.settings.run import Config
from mlubench.statistics.claims import MARGIN
from mlubench.statistics.crossed import CrossedDraws, Floats
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric

# What may differ between the seeds of one variant: the seeds, and this machine's own affairs.
_MAY_DIFFER = (
    "seed",
    "device",
    "model.toy.seed",
    "model.real.seed",
    "benchmark.root",
    "benchmark.images",
    # A run with fewer methods is compared by those that it has.
    "methods",
    "gates.",
    "judging.",
)


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What the claims compare: which parts may change, and whether pictures are seen in training."""

    scope: str
    images: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run with its results."""

    path: Path
    run: Run
    results: Results

    @property
    def setting(self) -> Setting:
        return Setting(self.run.config.train.scope, self.run.config.train.images)

    @property
    def seeds(self) -> tuple[int, int]:
        """Of the training and, where it is made here, of the base."""
        model = self.run.config.model
        return self.run.config.seed, getattr(model, model.kind).seed


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one preset on the same benchmark in the same order, by setting. Each list is sorted by seed."""

    name: str
    judge: str
    variants: dict[Setting, list[Loaded]]


def load_groups(folders: Sequence[Path], judge: str | None = None) -> list[Group]:
    """The runs in groups, in the order given. `judge` defaults to the first of each group.

    Raises UsageError for runs of one setting that differ in more than their seed, and for one that comes twice.
    """
    together: dict[tuple[str, ...], list[Loaded]] = {}
    for folder in folders:
        run = open_run(folder)
        results = run.results()
        benchmark = results.run.benchmark
        made_by = (
            run.config.preset,
            results.run.benchmark.protocol,
            benchmark.kind,
            benchmark.digest,
        )
        key = (*made_by, *results.tasks)
        together.setdefault(key, []).append(Loaded(folder, run, results))
    return [_group(runs, judge) for runs in together.values()]


def _group(runs: list[Loaded], judge: str | None) -> Group:
    variants: dict[Setting, list[Loaded]] = {}
    for loaded in sorted(runs, key=lambda loaded: loaded.seeds):
        variants.setdefault(loaded.setting, []).append(loaded)
    for same in variants.values():
        for earlier, later in pairwise(same):
            if earlier.seeds == later.seeds:
                raise UsageError(
                    f"{earlier.path} and {later.path} are runs of the same seed",
                    "Give one of them.",
                )
            _require_alike(earlier, later)
    judges = runs[0].results.judges
    chosen = judge or judges[0]
    for loaded in runs:
        if chosen not in loaded.results.judges:
            raise UsageError(
                f"{chosen!r} has not judged {loaded.path}",
                f"Run `mlubench judge {loaded.path} --judge {chosen}` first.",
            )
    return Group(runs[0].results.run.preset or "custom", chosen, variants)


def _require_alike(one: Loaded, other: Loaded) -> None:
    """Raises UsageError where two runs differ in a setting that is no seed."""
    there = _settings(one.run.config)
    here = _settings(other.run.config)
    for key in sorted({*there, *here}):
        if there.get(key) != here.get(key):
            raise UsageError(
                f"{one.path} and {other.path} differ in {key}, so they are not seeds of one setting",
                "Give runs that differ in seed, train.scope or train.images alone.",
            )


def _settings(config: Config) -> dict[str, object]:
    return {key: value for key, value in flat(config).items() if not key.startswith(_MAY_DIFFER)}


class Scores:
    """Resampled scores of the runs of one setting, each row of `by seed` arrays as `CrossedDraws` has it."""

    def __init__(self, runs: Sequence[Loaded], judge: str, entities: Sequence[str]) -> None:
        self.runs = [loaded.results for loaded in runs]
        self.judge = judge
        self.entities = list(entities)
        self._numbers = {entity: number for number, entity in enumerate(self.entities)}
        # (method, task, after, metric) -> sums of scores and counts of answers, both (seeds, entities)
        self._sums: dict[tuple[str, str, str, str], NDArray[np.float64]] = {}
        self._counts: dict[tuple[str, str, str, str], NDArray[np.float64]] = {}
        for seed, results in enumerate(self.runs):
            self._add(seed, results)

    def _add(self, seed: int, results: Results) -> None:
        shape = (len(self.runs), len(self.entities))
        for row in results.breakdowns:
            if row.by != "entity" or row.judge != self.judge or row.score is None:
                continue
            key = (row.method, row.task, row.after, row.metric)
            number = self._numbers[row.value]
            self._sums.setdefault(key, np.zeros(shape))[seed, number] += row.score * row.n
            self._counts.setdefault(key, np.zeros(shape))[seed, number] += row.n

    @property
    def tasks(self) -> list[str]:
        return self.runs[0].tasks

    @property
    def methods(self) -> list[str]:
        """Those that every run has."""
        shared = set(self.runs[0].methods)
        for results in self.runs[1:]:
            shared &= set(results.methods)
        return [method for method in self.runs[0].methods if method in shared]

    def score(
        self, draws: CrossedDraws, method: str, metric: Metric, task: str, after: str
    ) -> Floats | None:
        """The score by seed; None where a run has no such cell."""
        key = (method, task, after, metric)
        counts = self._counts.get(key)
        if counts is None or not counts.sum(axis=1).all():
            return None
        return draws.ratio(self._sums[key], counts)

    def is_dead(self, method: str, after: str) -> bool:
        """Whether the archive is dead in more than half of the runs."""
        dead = [(method, after) in dead_archives(results, self.judge) for results in self.runs]
        return 2 * sum(dead) > len(dead)

    def is_idle(self, method: str) -> bool:
        """Whether the method has changed next to nothing by the end, in more than half of the runs.

        What it does not unlearn cannot show what unlearning does. A method may forget without refusing, so the
        likeness of its answers to the truths (ROUGE-L) counts too.
        """
        idle = [_changed(results, self.judge, method) <= MARGIN for results in self.runs]
        return 2 * sum(idle) > len(idle)


def _changed(results: Results, judge: str, method: str) -> float:
    """The largest change of a mean over tasks, from the base to the last archive; infinite where it is not known."""
    last = results.tasks[-1]
    largest = 0.0
    for metric in METRICS:
        base = results.base_scores(judge, metric)
        cells = results.scores(judge, metric)
        for measure in ("score", "rouge_l"):
            changes = []
            for task in results.tasks:
                before = getattr(base.get(task), measure, None)
                after = getattr(cells.get((method, task, last)), measure, None)
                if before is not None and after is not None:
                    changes.append(after - before)
            if not changes and measure == "score":
                return math.inf
            if changes:
                largest = max(largest, abs(sum(changes) / len(changes)))
    return largest


def entities_of(group: Group) -> list[str]:
    """All entities that a run of the group was tested on."""
    found: set[str] = set()
    for runs in group.variants.values():
        for loaded in runs:
            found |= {row.value for row in loaded.results.breakdowns if row.by == "entity"}
    return sorted(found)
