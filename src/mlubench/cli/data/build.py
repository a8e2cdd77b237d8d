"""`mlubench data build`: a new benchmark from one spec, stage by stage."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from mlubench.authoring.build_record import StageState
    from mlubench.authoring.stage import ProgressCallback

_SAID = {"todo": "made", "done": "unchanged", "mended": "mended by hand, kept"}


@click.command(
    epilog="""\b
Examples:
  mlubench data build examples/build.yaml --out built --dry-run     what each stage would do, and how many calls
  mlubench data build examples/build.yaml --out built
  mlubench data build examples/build.yaml --out built --until pictures
  mlubench data build examples/build.yaml --out built --redo questions

Every stage writes a plain file that you may mend; what follows from it is then made anew. An interrupted build goes on
where it was.
"""
)
@click.argument("spec", type=PATH, metavar="SPEC.yaml")
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="Folder of the build. Goes on from there.",
)
@click.option(
    "--redo",
    multiple=True,
    metavar="STAGE",
    help="Make this stage anew, also where its output was mended by hand.",
)
@click.option("--until", metavar="STAGE", help="Stop after this stage.")
@click.option("--dry-run", is_flag=True, help="Only say what each stage would do.")
@JSON
def build(
    spec: Path, out: Path, redo: tuple[str, ...], until: str | None, dry_run: bool, as_json: bool
) -> None:
    """Build a benchmark from SPEC: entities, pictures, questions, answers, and on to forget and retain sets."""
    from rich.console import Console

    from mlubench.authoring.builder import open_build

    if dry_run:
        planned = open_build(spec, out).plan()
        rows = [{"stage": s.name, "status": s.status, "plan": text} for s, text in planned]
        _show(out, rows, "plan", as_json=as_json)
        return
    console = Console(stderr=True)
    with _progress(console, silent=as_json) as progress:
        opened = open_build(spec, out, progress)
        states = opened.run(redo=redo, until=until)
    files = {stage.name: stage.outputs[0] for stage in opened.stages}
    spent = opened.spent()
    if spent:
        click.echo(f"The endpoint: {spent}", err=True)
    _show(out, [_row(s, out / files[s.name]) for s in states], "file", as_json=as_json)


@contextmanager
def _progress(console: "Console", *, silent: bool) -> "Iterator[ProgressCallback]":
    """A bar for each thing that takes long."""
    from rich.progress import Progress as Bars

    with Bars(console=console, transient=True, disable=silent or not console.is_terminal) as bars:
        shown: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in shown:
                shown[what] = bars.add_task(what.capitalize(), total=total)
            bars.update(shown[what], completed=done, total=total)

        yield progress


def _row(state: "StageState", file: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"stage": state.name, "status": _SAID[state.status], "file": file.name}
    if file.suffix == ".jsonl":
        rows = [json.loads(text) for text in file.read_bytes().splitlines() if text.strip()]
        row["rows"] = len(rows)
        if rows and "kept" in rows[0]:
            row["kept"] = sum(bool(one["kept"]) for one in rows)
    return row


def _show(out: Path, rows: list[dict[str, Any]], last: str, *, as_json: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    if as_json:
        print_json({"out": str(out), "stages": rows})
        return
    table = Table(title=escape(str(out)), title_justify="left")
    columns = [
        "stage",
        "status",
        last,
        *(name for name in ("rows", "kept") if any(name in row for row in rows)),
    ]
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(escape(str(row.get(name, ""))) for name in columns))
    print_table(table)
