"""`mlubench data build`: a new benchmark from one spec, stage by stage."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rich.progress import TaskID

    from mlubench.authoring.build_record import StageState

# What became of a stage, in words.
_STATUS_WORDS = {"todo": "made", "done": "unchanged", "mended": "mended by hand, kept"}


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
    from mlubench.authoring.builder import open_build
    from mlubench.core.progress import progress_bar

    rows: list[dict[str, Any]] = []
    if dry_run:
        for stage, text in open_build(spec, out).plan():
            rows.append({"stage": stage.name, "status": stage.status, "plan": text})
        _show(out, rows, "plan", as_json=as_json)
        return
    # A bar for each thing that takes long, by what it is.
    task_ids: dict[str, TaskID] = {}
    with progress_bar(disable=as_json) as bars:

        def progress(what: str, done: int, total: int) -> None:
            if what not in task_ids:
                task_ids[what] = bars.add_task(what.capitalize(), total=total)
            bars.update(task_ids[what], completed=done, total=total)

        opened = open_build(spec, out, progress)
        states = opened.run(redo=redo, until=until)
    # The first output of a stage is the one that a person may mend.
    files = {stage.name: stage.outputs[0] for stage in opened.stages}
    for state in states:
        rows.append(_stage_row(state, out / files[state.name]))
    spent = opened.spent()
    if spent:
        click.echo(f"The endpoint: {spent}", err=True)
    _show(out, rows, "file", as_json=as_json)


def _stage_row(state: "StageState", file: Path) -> dict[str, Any]:
    """What a stage has made: the rows of its file, and how many of them it kept."""
    row: dict[str, Any] = {
        "stage": state.name,
        "status": _STATUS_WORDS[state.status],
        "file": file.name,
    }
    if file.suffix != ".jsonl":
        return row
    made = [json.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
    row["rows"] = len(made)
    # Only filters say of each row whether they keep it.
    if made and "kept" in made[0]:
        row["kept"] = sum(bool(one["kept"]) for one in made)
    waiting = sum(bool(one.get("may_pass")) for one in made)
    if waiting:
        # The same command asks for these once more.
        row["to ask again"] = waiting
    return row


def _show(out: Path, rows: list[dict[str, Any]], last: str, *, as_json: bool) -> None:
    """One line a stage; `last` names the column that differs between a plan and what was done."""
    from rich.table import Table

    if as_json:
        print_json({"out": str(out), "stages": rows})
        return
    table = Table(title=str(out), title_justify="left")
    columns = ["stage", "status", last]
    # A column that no row fills is left out.
    for optional in ("rows", "kept", "to ask again"):
        if any(optional in row for row in rows):
            columns.append(optional)
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in columns))
    print_table(table)
