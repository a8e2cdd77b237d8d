"""Every gate measured after each task, though the configured one alone routes: what another choice would have meant."""

from collections.abc import Sequence

from mlubench.data.strangers import Strangers
from mlubench.experiment.context import Context
from mlubench.experiment.learners.lumoe import LumoeLearner
from mlubench.lumoe.gates.base import Gate, NoPicturesError
from mlubench.lumoe.gates.making import local_gates, make_gate
from mlubench.lumoe.gates.metrics import gate_report, rerouted
from mlubench.runs.gate_rows import GateRow
from mlubench.types import Sample, Task


def reported(ctx: Context) -> list[str]:
    """The gates to report: the configured one first, the local ones, and those that the settings add."""
    return list(dict.fromkeys((ctx.config.gate, *local_gates(), *ctx.config.gates.also)))


def gate_reports(
    lumoe: LumoeLearner, done: Sequence[str], test: Sequence[Sample], strangers: Strangers
) -> list[GateRow]:
    """A report on each gate after the tasks `done`, in which `configured` marks the one that routes.

    `rerouted` says how many earlier pictures each sends elsewhere than it did before the last task. The configured gate
    is the archived one; the others are fitted here.
    """
    ctx = lumoe.ctx
    tasks = [ctx.benchmark.task(name) for name in done]
    rows = []
    for name in reported(ctx):
        try:
            row = _report(lumoe, name, tasks, test, strangers)
        except NoPicturesError:
            # There is nothing to say of a gate that looks where there is nothing to see.
            continue
        rows.append(row.model_copy(update={"configured": name == ctx.config.gate}))
    return rows


def _report(
    lumoe: LumoeLearner,
    name: str,
    tasks: Sequence[Task],
    test: Sequence[Sample],
    strangers: Strangers,
) -> GateRow:
    ctx = lumoe.ctx
    features = lumoe.engine.features
    now = _gate(lumoe, name, tasks)
    row = gate_report(
        now,
        tasks,
        ctx.benchmark,
        features,
        test,
        on_error=lumoe.engine.on_error,
        strangers=strangers,
    )
    if len(tasks) == 1:
        return row
    try:
        before = _gate(lumoe, name, tasks[:-1])
    except NoPicturesError:
        return row
    moved, placed = rerouted(before, now, tasks[:-1], ctx.benchmark, features)
    return row.model_copy(update={"rerouted": moved, "rerouted_n": placed})


def _gate(lumoe: LumoeLearner, name: str, tasks: Sequence[Task]) -> Gate:
    """The gate as it was after these tasks."""
    ctx = lumoe.ctx
    gate = make_gate(name, ctx.gate_access(name))
    if name == ctx.config.gate:
        gate.load(lumoe.store.folder(tasks[-1].name, 1))
    else:
        gate.fit(tasks, ctx.benchmark, lumoe.engine.features, ctx.config.gates)
    return gate
