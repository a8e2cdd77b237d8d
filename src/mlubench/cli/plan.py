"""`mlubench run --dry-run`: the plan as JSON for programs, as lines for people."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlubench.cli.columns import size, table
from mlubench.cli.forecast import forecast_facts, forecast_lines
from mlubench.cli.output import print_json
from mlubench.core.errors import sentences
from mlubench.settings.run import Config

if TYPE_CHECKING:
    from mlubench.experiment.plan.forecast.parts import ForecastWish
    from mlubench.experiment.plan.measure import Measured
    from mlubench.experiment.plan.parts import MethodPlan, Plan


def dry(
    config: Config,
    out: Path,
    *,
    wish: "ForecastWish | None" = None,
    measured: bool = False,
    as_json: bool,
) -> int:
    """Print the plan, with a wish what it takes on a card, and with `measured` what a few steps took.

    Returns the exit code: 0, or 1 when something is missing.
    """
    from mlubench.experiment.plan.plan import NOT_COUNTED, plan_run
    from mlubench.models.quiet import quiet

    quiet()
    plan = plan_run(config, out, wish)
    measures = None
    why_not = "--measure was not given"
    if measured:
        measures, why_not = _measures(config, plan)
    if as_json:
        facts = _as_json(plan, NOT_COUNTED)
        if measured:
            facts["measured"] = asdict(measures) if measures is not None else None
            facts["not_measured"] = why_not
        print_json(facts)
    else:
        for line in lines(plan, NOT_COUNTED):
            click.echo(line)
        if measures is not None:
            for line in measured_lines(measures):
                click.echo(line)
        elif measured:
            click.echo(f"not measured: {why_not}")
    return 1 if plan.missing else 0


def _measures(config: Config, plan: "Plan") -> tuple["Measured | None", str]:
    """What was measured, or None and why nothing was."""
    from mlubench.core.errors import MlubenchError
    from mlubench.experiment.plan.measure import measure

    try:
        return measure(config, plan), ""
    except MlubenchError as error:
        return None, str(error)


def measured_lines(measured: "Measured") -> Iterator[str]:
    """Time and memory for people."""
    from mlubench.experiment.plan.measure import NOT_TIMED, STEPS
    from mlubench.report.score_table import duration

    yield ""
    yield f"time and peak memory, measured by {STEPS} steps an epoch and a batch of answers of each method"
    columns = ["who", "s/step", "training", "s/answer", "answers", "peak", "peak answering"]
    rows = []
    base = duration(measured.base_seconds)
    answer = f"{measured.answer_seconds:.3f}"
    rows.append(["base", "", "", answer, base, "", size(measured.base_bytes)])
    for row in measured.methods:
        rows.append(
            [
                row.name,
                f"{row.step_seconds:.3f}",
                duration(row.training_seconds),
                f"{row.answer_seconds:.3f}",
                duration(row.answering_seconds),
                size(row.training_bytes),
                size(row.answering_bytes),
            ]
        )
    yield from table(columns, rows)
    yield f"  in all: {duration(measured.seconds)}"
    yield f"  not counted: {NOT_TIMED}"


def _as_json(plan: "Plan", not_counted: tuple[str, ...]) -> dict[str, Any]:
    facts = asdict(plan)
    # JSON knows no paths.
    facts["out"] = str(plan.out)
    # Sums are properties, which `asdict` leaves out.
    facts["steps"] = plan.steps
    facts["memory_not_counted"] = not_counted
    for method, row in zip(plan.methods, facts["methods"], strict=True):
        if method.memory:
            row["memory"]["total"] = method.memory.total
    if plan.forecast is not None:
        facts["forecast"] = forecast_facts(plan.forecast)
    return facts


def lines(plan: "Plan", not_counted: tuple[str, ...]) -> Iterator[str]:
    """The plan for people: what is missing comes last, where it is seen."""
    yield f"plan of {plan.preset} into {plan.out}; nothing was written there"
    yield _model(plan)
    yield _benchmark(plan)
    yield from _trained(plan.methods)
    yield from _steps(plan)
    yield from _answers(plan)
    yield from _memory(plan.methods, not_counted)
    yield from forecast_lines(plan)
    yield from _files(plan)
    yield ""
    for missing in plan.missing:
        yield f"missing: {sentences(missing.what, missing.do)}"
    if not plan.missing:
        yield "nothing is missing: the same command without --dry-run starts the run"


def _model(plan: "Plan") -> str:
    model = plan.model
    if model is None:
        return "model: not known, so trained parameters and memory are left out"
    # Without the benchmark the vocabulary of a toy model is not known, and its limit is counted.
    most = "" if model.exact else "at most "
    held = model.dtype
    if model.quantization != "none":
        held += f", its language model's matrices in {model.quantization}"
    return (
        f"model: {model.name}, {most}{model.parameters:,} parameters, {size(model.bytes)} in {held} "
        f"(shape: {model.source})"
    )


def _benchmark(plan: "Plan") -> str:
    if plan.samples is None:
        return "benchmark: not found, so counts of samples, steps and answers are left out"
    order = " -> ".join(plan.order or [])
    line = f"benchmark: {plan.samples:,} samples, tasks {order}"
    if not plan.exact_samples:
        line += "; facts that the base does not know are dropped first, so counts are the most"
    return line


def _trained(methods: list["MethodPlan"]) -> Iterator[str]:
    """Methods that train the same are shown together."""
    remaining = [method for method in methods if method.trained is not None]
    if remaining:
        yield ""
        yield "trained parameters (* stands for the layer)"
    # Each round takes the first method and all that train the same parameters.
    while remaining:
        first = remaining[0]
        trained = first.trained or {}
        names = " ".join(method.name for method in remaining if method.trained == trained)
        remaining = [method for method in remaining if method.trained != trained]
        yield f"  {names}: {first.trained_parameters or 0:,}, {_trained_how(first.settings)}"
        for part, patterns in trained.items():
            yield f"    {part}: {sum(patterns.values()):,}"
            for pattern, count in patterns.items():
                yield f"      {pattern}  {count:,}"


def _trained_how(settings: dict[str, Any]) -> str:
    lora = settings["lora"]
    text = f"scope {settings['scope']}, LoRA r={lora['r']} alpha={lora['alpha']}"
    # Parts that are trained whole, without LoRA.
    if settings["full"]:
        text += f"; whole: {', '.join(settings['full'])}"
    return text


def _steps(plan: "Plan") -> Iterator[str]:
    # Without annotations no method knows its tasks.
    if not all(method.tasks for method in plan.methods):
        return
    yield ""
    yield "optimiser steps (training samples forget/retain); + is archived already"
    rows = []
    for method in plan.methods:
        cells = []
        for task in method.tasks or []:
            mark = "+" if task.archived else ""
            cells.append(f"{task.steps:,}{mark} ({task.forget:,}/{task.retain:,})")
        rows.append([method.name, *cells, f"{method.steps or 0:,}"])
    names = [task.name for task in plan.methods[0].tasks or []]
    yield from table(["method", *names, "in all"], rows)
    yield f"  all methods: {plan.steps or 0:,} steps"
    for method in plan.methods:
        if method.retries:
            yield _trained_again(method)


def _trained_again(method: "MethodPlan") -> str:
    """What the counts leave out, since only the trained expert shows whether it comes to that."""
    most = (method.steps or 0) * (1 + method.retries)
    times = "once more" if method.retries == 1 else f"up to {method.retries} times more"
    return (
        f"  {method.name}: an expert that refuses too little is trained {times} (lumoe.retries), so at most {most:,} steps;"
        " its training then takes as much longer, and no more disk"
    )


def _answers(plan: "Plan") -> Iterator[str]:
    if plan.asked is None:
        return
    yield ""
    yield "answers to be generated (LUMoE takes over the ones that it has already)"
    rows = []
    total = 0
    for asked in plan.asked:
        rows.append([asked.who, f"{asked.cells:,}", f"{asked.questions:,}"])
        total += asked.questions
    yield from table(["who", "cells", "questions"], rows)
    yield f"  in all: {total:,} questions"


def _memory(methods: list["MethodPlan"], not_counted: tuple[str, ...]) -> Iterator[str]:
    rows: list[list[str]] = []
    archives: list[int | None] = []
    for method in methods:
        memory = method.memory
        if memory is None:
            continue
        counts = (
            memory.base,
            memory.adapter,
            memory.experts,
            memory.features,
            memory.total,
            method.archive_bytes,
        )
        rows.append([method.name, *map(size, counts)])
        archives.append(method.archive_bytes)
    if not rows:
        return
    yield ""
    yield "memory while training, and disk for archives"
    columns = [
        "method",
        "base",
        # Weights, gradients and AdamW's two moments.
        "adapter x 4",
        "earlier experts",
        "kept features, at most",
        "together",
        "archives",
    ]
    yield from table(columns, rows)
    yield f"  not counted: {'; '.join(not_counted)} (--card NAME counts them, --measure measures them)"
    known = [count for count in archives if count is not None]
    # A sum that leaves one out would be believed.
    if len(known) == len(archives):
        yield f"  archives in all: {size(sum(known))}"


def _files(plan: "Plan") -> Iterator[str]:
    yield ""
    # Without an order nobody knows the tasks' names.
    exception = "" if plan.order else ", besides those named by task"
    yield f"files in {plan.out}{exception}"
    # Folder -> the names of its files, in the order of the plan.
    inside: dict[str, list[str]] = {}
    for path in plan.files:
        folder, _, name = path.rstrip("/").rpartition("/")
        slash = "/" if path.endswith("/") else ""
        inside.setdefault(folder, []).append(name + slash)
    # Folders of one parent that hold the same names share a line: answers/{ga,npo}/: A-UA.jsonl
    alike: dict[tuple[str, str], list[str]] = {}
    for folder, names in inside.items():
        parent, _, last = folder.rpartition("/")
        alike.setdefault((parent, " ".join(names)), []).append(last)
    for (parent, listed), folders in alike.items():
        folder = folders[0] if len(folders) == 1 else f"{{{','.join(folders)}}}"
        # Either may be empty: the run's folder itself has no name here.
        where = "/".join(part for part in (parent, folder) if part)
        yield f"  {where}/: {listed}" if where else f"  {listed}"
