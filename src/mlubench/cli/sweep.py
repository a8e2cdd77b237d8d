"""`mlubench sweep`: many independent runs from one file, and one table of them all."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.options import PATH
from mlubench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from mlubench.runs.results import Results
    from mlubench.runs.sweeps import Sweep, SweepRunRow
    from mlubench.studies.sweep.executors import ExecutorName
    from mlubench.studies.sweep.grid import SweepFile, SweepRun
    from mlubench.studies.sweep.jobs import SweepProgress


@click.command(
    epilog="""\b
Examples:
  mlubench sweep examples/sweep.yaml --dry-run             the runs, and how far each has come
  mlubench sweep examples/sweep.yaml --jobs 2              two at once on this machine
  mlubench sweep mine.yaml --executor slurm --out runs/mine
"""
)
@click.argument("file", type=PATH, metavar="FILE.yaml")
@click.option(
    "--out",
    type=PATH,
    help="Folder of the runs; default runs/FILE. Goes on from there.",
)
@click.option(
    "--executor",
    type=click.Choice(["local", "slurm", "here"]),
    default="local",
    show_default=True,
    help="Processes of this machine, jobs of a SLURM cluster, or one after another in this very process.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Most runs at once; default: the file's `parallel`, else 1, or all on SLURM.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only say which runs there are and how far each has come."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print sweep.json (with --dry-run: the runs) instead of the table.",
)
def sweep(
    file: Path,
    out: Path | None,
    executor: "ExecutorName",
    jobs: int | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Run every combination of FILE's grid; the same command again starts only what is not finished."""
    from mlubench.core.console import plain_console
    from mlubench.core.errors import UsageError
    from mlubench.runs.folder import RunDir
    from mlubench.studies.sweep.executors import starter
    from mlubench.studies.sweep.grid import expand, read_sweep
    from mlubench.studies.sweep.jobs import run_all

    spec = read_sweep(file)
    folder = out or Path("runs") / file.stem
    if RunDir(folder).config_file.is_file():
        raise UsageError(f"{folder} is a run, not a sweep", "Give another --out.")
    runs = expand(spec, folder)
    if dry_run:
        _show_plan(runs, folder, as_json=as_json)
        return 0
    parallel = _most_at_once(executor, jobs or spec.parallel, len(runs))
    logs = folder / "logs"
    console = plain_console(stderr=True)
    start = starter(executor, logs=logs, parallel=parallel, slurm=spec.slurm)
    # Two sweeps into one folder would start every run twice.
    with RunDir(folder).lock():
        progress = run_all(
            runs,
            start,
            logs=logs,
            parallel=parallel,
            tell=console.print,
        )
        _write_summary(file, spec, runs, progress, folder, console, as_json=as_json)
    return 1 if progress.failed else 0


def _most_at_once(executor: "ExecutorName", wanted: int | None, runs: int) -> int:
    # Here is one process, which can do one run at a time.
    if executor == "here":
        return 1
    if wanted:
        return wanted
    # A cluster queues what it has no room for; one machine would be overrun.
    return runs if executor == "slurm" else 1


def _show_plan(runs: "list[SweepRun]", folder: Path, *, as_json: bool) -> None:
    from mlubench.studies.sweep.grid import state_of

    rows = []
    for run in runs:
        state = state_of(run, folder / "logs")
        rows.append({"name": run.name, "state": state, "settings": run.settings})
    if as_json:
        print_json({"runs": rows})
        return
    for row in rows:
        click.echo(f"{row['state']:<12} {row['name']}")
    click.echo(f"{len(rows)} runs in {folder}", err=True)


def _write_summary(
    file: Path,
    spec: "SweepFile",
    runs: "list[SweepRun]",
    progress: "SweepProgress",
    out: Path,
    err: "Console",
    *,
    as_json: bool,
) -> None:
    """Write each run's report.html that is not there, sweep.json and sweep.md, and print the table."""
    from mlubench.core.files import write_atomic, write_json
    from mlubench.report.html import write_report
    from mlubench.report.sweep_table import render_sweep, sweep_markdown
    from mlubench.runs.folder import RunDir
    from mlubench.runs.results import read_results

    results: dict[str, Results] = {}
    for run in runs:
        if run.name not in progress.finished:
            continue
        folder = RunDir(run.folder)
        results[run.name] = read_results(folder.results)
        # Runs of an earlier call have theirs.
        if not folder.report.is_file():
            write_report(run.folder, results[run.name])
    whole = _whole(file, spec, runs, progress, results)
    write_json(out / "sweep.json", whole)
    write_atomic(out / "sweep.md", sweep_markdown(whole))
    if as_json:
        print_json(whole)
    else:
        print_table(render_sweep(whole))
    err.print(f"summary: {out / 'sweep.md'}")


def _whole(
    file: Path,
    spec: "SweepFile",
    runs: "list[SweepRun]",
    progress: "SweepProgress",
    results: "dict[str, Results]",
) -> "Sweep":
    """The content of sweep.json: what was asked for, and what came of it."""
    from mlubench.studies.sweep.summary import summarise

    rows: list[SweepRunRow] = []
    done = []
    for run in runs:
        row: SweepRunRow = {
            "name": run.name,
            "state": "finished",
            "seed": run.config.seed,
            "settings": run.settings,
        }
        if run.name in progress.failed:
            reason, log = progress.failed[run.name]
            row |= {"state": "failed", "error": reason, "log": str(log)}
        rows.append(row)
        if run.name in results:
            done.append((run.settings, run.config.seed, results[run.name]))
    return {
        "file": str(file),
        "preset": spec.preset,
        "settings": spec.overrides(),
        "grid": spec.grid,
        "schema_version": 1,
        "stand_ins": any(result.run.stand_ins for _, _, result in done),
        "published_protocol": any(
            result.run.benchmark.protocol == "published" for _, _, result in done
        ),
        "runs": rows,
        "summary": summarise(done),
    }
