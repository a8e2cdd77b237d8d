"""The base behind a gate that nothing was trained for, as published training-free gates are: a reference."""

import time
from collections.abc import Sequence
from dataclasses import replace

from mlubench.core import processes
from mlubench.core.files import write_json
from mlubench.experiment.context import Context
from mlubench.experiment.references import gate_only
from mlubench.experiment.samples import tested_after
from mlubench.lumoe.gates.base import Features, GateQuery
from mlubench.lumoe.gates.metric import encoder_for
from mlubench.lumoe.gates.training_free import Request, TrainingFreeGate
from mlubench.models.features import LayerCache, open_encoder
from mlubench.runs.folder import BASE, NOTHING_UNLEARNED, TRAINING_FREE, RunDir
from mlubench.runs.results import TakenInRow
from mlubench.runs.rows import read_answers, write_answers
from mlubench.runs.wholeness import record
from mlubench.types import AnswerRow, Task


def looks_of(ctx: Context) -> LayerCache:
    """The encoder that LUMoE's picture gate looks with too, so that what differs is what was learned."""
    return LayerCache(open_encoder(encoder_for(ctx.benchmark, ctx.config.gates), ctx.mllm))


def gate_after(ctx: Context, done: Sequence[str], features: Features) -> TrainingFreeGate:
    """The gate that has taken in these tasks."""
    gate = TrainingFreeGate()
    for name in done:
        take_in(ctx, gate, name, features)
    return gate


def take_in(ctx: Context, gate: TrainingFreeGate, name: str, features: Features) -> TakenInRow:
    """Have the gate take in a task, and say how long that took."""
    task = ctx.benchmark.task(name)
    started = time.perf_counter()
    requests = gate.take(task, ctx.benchmark, features, ctx.config.gates)
    seconds = time.perf_counter() - started
    return _taken_in(task, requests, seconds)


def _taken_in(task: Task, requests: Sequence[Request], seconds: float) -> TakenInRow:
    stated = None
    if requests:
        stated = sum(request.stated_miss_rate for request in requests) / len(requests)
    return TakenInRow(
        method=TRAINING_FREE,
        task=task.name,
        seconds=round(seconds, 3),
        requests=len(requests),
        examples=sum(len(request.examples) for request in requests),
        stated_miss_rate=stated,
    )


def write_training_free(ctx: Context) -> None:
    """The answers behind the gate, made of the base's own, so that the base is not asked again. What is there stays."""
    run = ctx.run
    cells = []
    for after in ctx.order:
        for task in tested_after(ctx.config.evaluate, ctx.order, after):
            cells.append((task, after))

    def unanswered() -> list[tuple[str, str]]:
        return [cell for cell in cells if not run.answers(TRAINING_FREE, *cell).is_file()]

    missing = processes.agreed(unanswered)
    if not missing:
        return
    features = looks_of(ctx)
    # Apart, so that no example was looked at before it is taken in.
    examples = LayerCache(features.encoder)
    gate = TrainingFreeGate()
    taken_in = []
    for after in ctx.order:
        taken_in.append(take_in(ctx, gate, after, examples))
        for cell in missing:
            if cell[1] == after:
                rows = _answers(ctx, cell[0], gate, features)
                processes.written(lambda: _write(run, cell, rows))  # noqa: B023 - called at once
    processes.written(lambda: _write_taken_in(run, taken_in))


def _write(run: RunDir, cell: tuple[str, str], rows: Sequence[AnswerRow]) -> None:
    path = run.answers(TRAINING_FREE, *cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_answers(path, rows)
    record(run, path)


def _write_taken_in(run: RunDir, rows: Sequence[TakenInRow]) -> None:
    path = run.taken_in(TRAINING_FREE)
    if not path.is_file():
        write_json(path, [row.as_json() for row in rows])


def _answers(
    ctx: Context, task: str, gate: TrainingFreeGate, features: Features
) -> list[AnswerRow]:
    """The base's answers, with one fixed sentence for what the gate stops."""
    told = read_answers(ctx.run.answers(BASE, task, NOTHING_UNLEARNED))
    samples = {sample.id: sample for sample in ctx.benchmark.task(task).samples}
    queries = []
    for row in told:
        sample = samples[row.id]
        queries.append(GateQuery(ctx.benchmark.picture(sample), sample.question))
    routes = gate.route(queries, features)
    return gate_only(replace(row, route=route) for row, route in zip(told, routes, strict=True))
