"""`mlubench run --dry-run`: the plan as JSON for programs, as lines for people."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlubench.cli.output import print_json
from mlubench.settings.run import Config

if TYPE_CHECKING:
    from mlubench.experiment.plan.plan import MethodPlan, Plan

UNKNOWN = "?"


def dry(config: Config, out: Path, *, as_json: bool) -> int:
    """Print the plan. Returns the exit code: 0, or 1 when something is missing."""
    from mlubench.experiment.plan.plan import NOT_COUNTED, plan_run
    from mlubench.models.quiet import quiet

    quiet()
    plan = plan_run(config, out)
    if as_json:
        found = {
            **asdict(plan),
            "out": str(plan.out),
            "steps": plan.steps,
            "memory_not_counted": NOT_COUNTED,
        }
        for method, row in zip(plan.methods, found["methods"], strict=True):
            if method.memory:
                row["memory"]["total"] = method.memory.total
        print_json(found)
    else:
        for line in lines(plan, NOT_COUNTED):
            click.echo(line)
    return 1 if plan.missing else 0


def lines(plan: "Plan", not_counted: tuple[str, ...]) -> Iterator[str]:
    """The plan for people: what is missing comes last, where it is seen."""
    yield f"plan of {plan.preset} into {plan.out}; nothing was loaded, trained or written"
    yield _model(plan)
    yield _benchmark(plan)
    yield from _trained(plan.methods)
    yield from _steps(plan)
    yield from _asked(plan)
    yield from _memory(plan.methods, not_counted)
    yield from _files(plan)
    yield ""
    yield from (f"missing: {m.what}. {m.do}" for m in plan.missing)
    if not plan.missing:
        yield "nothing is missing: the same command without --dry-run starts the run"


def _model(plan: "Plan") -> str:
    model = plan.model
    if model is None:
        return "model: not known, so trained parameters and memory are left out"
    most = "" if model.exact else "at most "
    return (
        f"model: {model.name}, {most}{model.parameters:,} parameters, {size(model.bytes)} in {model.dtype} "
        f"(shape: {model.source})"
    )


def _benchmark(plan: "Plan") -> str:
    if plan.samples is None:
        return "benchmark: not found, so counts of samples, steps and answers are left out"
    order = " -> ".join(plan.order or [])
    most = (
        ""
        if plan.exact_samples
        else "; facts that the base does not know are dropped first, so counts are the most"
    )
    return f"benchmark: {plan.samples:,} samples, tasks {order}{most}"


def _trained(methods: list["MethodPlan"]) -> Iterator[str]:
    """Methods that train the same are shown together."""
    left = [m for m in methods if m.trained is not None]
    if left:
        yield from ("", "trained parameters (* stands for the layer)")
    while left:
        first, trained = left[0], left[0].trained or {}
        same = [m for m in left if m.trained == trained]
        left = [m for m in left if m.trained != trained]
        yield f"  {' '.join(m.name for m in same)}: {first.trained_parameters or 0:,}, {_how(first.settings)}"
        for part, patterns in trained.items():
            yield f"    {part}: {sum(patterns.values()):,}"
            yield from (f"      {pattern}  {count:,}" for pattern, count in patterns.items())


def _how(settings: dict[str, Any]) -> str:
    lora, full = settings["lora"], ", ".join(settings["full"])
    return f"scope {settings['scope']}, LoRA r={lora['r']} alpha={lora['alpha']}" + (
        f"; whole: {full}" if full else ""
    )


def _steps(plan: "Plan") -> Iterator[str]:
    if not all(m.tasks for m in plan.methods):
        return
    yield from ("", "optimiser steps (training samples forget/retain); + is archived already")
    rows = []
    for m in plan.methods:
        cells = [
            f"{t.steps:,}{'+' * t.archived} ({t.forget:,}/{t.retain:,})" for t in m.tasks or []
        ]
        rows.append([m.name, *cells, f"{m.steps or 0:,}"])
    yield from table(["method", *(t.name for t in plan.methods[0].tasks or []), "in all"], rows)
    yield f"  all methods: {plan.steps or 0:,} steps"


def _asked(plan: "Plan") -> Iterator[str]:
    if plan.asked is None:
        return
    yield from ("", "answers to be generated (LUMoE takes over the ones that it has already)")
    yield from table(
        ["who", "cells", "questions"], [[a.who, f"{a.cells:,}", f"{a.questions:,}"] for a in plan.asked]
    )  # fmt: skip
    yield f"  in all: {sum(a.questions for a in plan.asked):,} questions"


def _memory(methods: list["MethodPlan"], not_counted: tuple[str, ...]) -> Iterator[str]:
    known = [(m, m.memory) for m in methods if m.memory is not None]
    if not known:
        return
    yield from ("", "memory while training, and disk for archives")
    columns = [
        "method",
        "base",
        "adapter x 4",
        "earlier experts",
        "kept features, at most",
        "together",
        "archives",
    ]
    rows = [
        [m.name, *map(size, (n.base, n.adapter, n.experts, n.features, n.total, m.archive_bytes))]
        for m, n in known
    ]  # fmt: skip
    yield from table(columns, rows)
    yield f"  not counted: {'; '.join(not_counted)}"
    disk = [m.archive_bytes for m, _ in known]
    if None not in disk:
        yield f"  archives in all: {size(sum(d for d in disk if d is not None))}"


def _files(plan: "Plan") -> Iterator[str]:
    yield from (
        "",
        f"files in {plan.out}" + ("" if plan.order else ", besides those named by task"),
    )
    inside: dict[str, list[str]] = {}
    for path in plan.files:
        folder, _, name = path.rstrip("/").rpartition("/")
        inside.setdefault(folder, []).append(name + "/" * path.endswith("/"))
    alike: dict[tuple[str, str], list[str]] = {}
    for folder, names in inside.items():
        above, _, last = folder.rpartition("/")
        alike.setdefault((above, " ".join(names)), []).append(last)
    for (above, listed), folders in alike.items():
        folder = folders[0] if len(folders) == 1 else f"{{{','.join(folders)}}}"
        where = "/".join(p for p in (above, folder) if p)
        yield f"  {where}/: {listed}" if where else f"  {listed}"


def table(columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Lines of aligned columns: names on the left, numbers on the right."""
    widths = [max(len(row[n]) for row in [columns, *rows]) for n in range(len(columns))]
    for row in [columns, *rows]:
        first, *rest = (
            f"{c:<{w}}" if n == 0 else f"{c:>{w}}"
            for n, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join([first, *rest])


def size(count: int | None) -> str:
    """Bytes in the largest binary unit of which there is at least one; a question mark for what is not known."""
    if count is None:
        return UNKNOWN
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"
