"""Holds every archive of a finished run against the oracle of its step, and the field's metrics against that distance."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.audits.attack import About, Target
from mlubench.audits.oracle.bases import on_base, oracle_base
from mlubench.audits.oracle.behaviour import Behaviour, behaviour, distance
from mlubench.audits.oracle.correlations import correlations
from mlubench.audits.oracle.metrics import cells_after, metrics_of
from mlubench.audits.runner import open_targets, systems_of
from mlubench.audits.systems.system import System
from mlubench.audits.systems.table import system
from mlubench.audits.targets import Targets
from mlubench.core.errors import MlubenchError
from mlubench.core.progress import progress_bar
from mlubench.experiment.context import Context
from mlubench.experiment.finished import finished_context
from mlubench.experiment.prepare import open_benchmark
from mlubench.judging.harm import HarmJudge, harm_judge
from mlubench.runs.folder import BASE
from mlubench.runs.opening import open_run
from mlubench.runs.oracles import DistanceRow, MetricRow, OracleReport

FACTS = 60
QUICK_FACTS = 12
# The second oracle among the systems: how far exact unlearning is from itself.
FLOOR = "oracle of another seed"
KINDS: tuple[About, ...] = ("forgotten", "kept", "stranger")


def measure_run(
    root: Path, *, facts: int, systems: Sequence[str] = (), floor: bool = True
) -> OracleReport:
    """Write and return the run's oracle.json. Oracles are trained now unless the cache has them.

    `floor`: whether a second one, of another seed, stands among the systems after the last step. Raises as `oracle_base`
    does, and MlubenchError where the run is not finished.
    """
    run = open_run(root)
    names = systems_of(run, systems)
    judge = harm_judge(run, run.order)
    if judge is None:
        raise MlubenchError(f"{root} has no answers of its base yet", "Finish the run first.")
    results = run.results()
    distances: list[DistanceRow] = []
    metrics: list[MetricRow] = []
    oracles: dict[str, str] = {}
    with run.folder.lock(), progress_bar() as bar:
        whole = open_benchmark(run.config)
        ctx = finished_context(run.folder)
        targets = open_targets(ctx, run, judge, facts)
        task = bar.add_task("against the oracle", total=len(run.order) * (len(names) + 1))
        for step, after in enumerate(run.order):
            done = run.order[: step + 1]
            folder = oracle_base(run.config, whole, done)
            oracles[after] = folder.name
            beside = _Beside(ctx, done, targets, judge, _of_base(ctx, folder))
            cells = cells_after(results, results.judges[0], after)
            for name in names:
                opened = system(ctx, name)
                opened.open(done)
                of_system = beside.measured(opened)
                distances += beside.distances(name, of_system)
                for metric, value in metrics_of(
                    beside.targets["forgotten"], of_system["forgotten"], cells.get(name, [])
                ).items():
                    row = MetricRow(system=name, after=after, metric=metric, value=value)
                    metrics.append(row)
                bar.advance(task)
            if floor and step + 1 == len(run.order):
                other = oracle_base(run.config, whole, done, other_seed=True)
                distances += beside.distances(FLOOR, beside.measured(_of_base(ctx, other)))
            bar.advance(task)
    measured = OracleReport(
        oracles=oracles, floor=FLOOR if floor else "", distances=distances, metrics=metrics
    )
    report = measured.model_copy(update={"correlations": correlations([measured])})
    report.write(run.folder.oracle)
    return report


def _of_base(ctx: Context, folder: Path) -> System:
    """A model of its own, which is asked as the base is."""
    opened = system(on_base(ctx, folder), BASE)
    opened.open([])
    return opened


class _Beside:
    """One step: what is asked, and what the oracle says to it."""

    def __init__(
        self,
        ctx: Context,
        done: Sequence[str],
        targets: Targets,
        judge: HarmJudge,
        oracle: System,
    ) -> None:
        self.after = done[-1]
        self.judge = judge
        self.targets: dict[About, list[Target]] = {}
        self.oracle: dict[About, Behaviour] = {}
        for about in KINDS:
            chosen = [t for t in targets.about(about) if t.sample.task in ("", *done)]
            self.targets[about] = chosen
            if chosen:
                self.oracle[about] = behaviour(oracle, chosen, None, judge)

    def measured(self, opened: System) -> dict[About, Behaviour]:
        found = {}
        for about, of_oracle in self.oracle.items():
            found[about] = behaviour(opened, self.targets[about], of_oracle.texts, self.judge)
        return found

    def distances(self, name: str, found: dict[About, Behaviour]) -> list[DistanceRow]:
        rows = []
        for about, of_system in found.items():
            row = distance(
                name, self.after, about, self.targets[about], self.oracle[about], of_system
            )
            rows.append(row)
        return rows
