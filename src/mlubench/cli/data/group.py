"""`mlubench data`: what benchmark data holds, what is wrong with it, and stand-ins for its pictures."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.data.audit import audit
from mlubench.cli.data.build import build
from mlubench.cli.data.importing import import_data
from mlubench.cli.data.review import review
from mlubench.cli.options import IMAGES, JSON, PATH, ROOT
from mlubench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from mlubench.data.check import Finding
    from mlubench.data.counts import BenchmarkCounts, SampleCounts

# Findings of a kind that the table shows.
_SHOWN = 3


@click.group(
    epilog="""\b
Examples:
  mlubench data stats MLUBench
  mlubench data check MLUBench --images ~/photos
  mlubench data audit MLUBench --fix audit.patch
  mlubench data render MLUBench stand-ins
  mlubench data build examples/build.yaml --out built
  mlubench data import tofu TOFU --out tofu
"""
)
def data() -> None:
    """Benchmark data in the official layout: ROOT/Tasks/TaskA/taskA_forget.json and so on."""


data.add_command(audit)
data.add_command(build)
data.add_command(import_data)
data.add_command(review)


@data.command(
    epilog="""\b
Examples:
  mlubench data stats MLUBench
  mlubench data stats MLUBench --json
"""
)
@ROOT
@IMAGES
@JSON
def stats(root: Path, images: Path | None, as_json: bool) -> None:
    """Count the records, entities, pictures and facts of ROOT."""
    from mlubench.data import release
    from mlubench.data.counts import count

    counts = count(release.read(root, images))
    if as_json:
        print_json(counts)
        return
    print_table(_stats_table(root, counts))


@data.command(
    epilog="""\b
Examples:
  mlubench data check MLUBench
  mlubench data check MLUBench --images ~/photos --json

Exit code: 0 when there is no error (warnings aside), 1 when there is.
"""
)
@ROOT
@IMAGES
@JSON
@click.pass_context
def check(ctx: click.Context, root: Path, images: Path | None, as_json: bool) -> None:
    """List everything that is wrong with ROOT and its pictures."""
    from dataclasses import asdict

    from mlubench.data import check as checking
    from mlubench.data import release

    release.task_folders(root)  # a ROOT that is no benchmark at all is wrong use, not bad data
    found = checking.check(root, images)
    errors = sum(f.severity == "error" for f in found)
    if as_json:
        facts = {"ok": not errors, "errors": errors, "warnings": len(found) - errors}
        print_json({**facts, "findings": [asdict(f) for f in found]})
    elif found:
        print_table(_findings_table(root, found))
    else:
        click.echo(f"{root}: nothing is wrong")
    ctx.exit(1 if errors else 0)


@data.command(
    epilog="""\b
Examples:
  mlubench data render MLUBench stand-ins
  mlubench data stats MLUBench --images stand-ins
"""
)
@ROOT
@click.argument("out", type=PATH)
@click.option(
    "--size",
    type=click.IntRange(16, 2048),
    default=96,
    show_default=True,
    help="Width and height in pixels.",
)
@JSON
def render(root: Path, out: Path, size: int, as_json: bool) -> None:
    """Draw a stand-in under OUT for every picture that ROOT names.

    The photographs are not ours to ship. Stand-ins let the whole experiment run without them; their numbers say nothing
    about photographs, and every report says so.
    """
    from mlubench.core.progress import progress_bar
    from mlubench.data import release
    from mlubench.data.render import render_release

    paths = release.image_paths(release.read(root))
    _refuse_photographs(out, paths)
    with progress_bar(disable=as_json) as bar:
        drawing = bar.add_task("Drawing stand-ins", total=len(paths))
        count = render_release(
            paths,
            out,
            size=size,
            progress=lambda done, total: bar.update(drawing, completed=done, total=total),
        )
    if as_json:
        print_json({"count": count, "out": str(out), "size": size, "stand_ins": True})
    else:
        click.echo(
            f"{count} stand-ins drawn under {out}: they are no photographs, and {release.STAND_IN_MARK} says so"
        )


def _refuse_photographs(out: Path, paths: list[str]) -> None:
    from mlubench.core.errors import UsageError
    from mlubench.core.spelling import path_below
    from mlubench.data.release import STAND_IN_MARK

    # What lies there was drawn by an earlier call.
    if (out / STAND_IN_MARK).is_file():
        return
    for path in paths:
        if path_below(out, path).exists():
            raise UsageError(
                f"{out / path} exists and may be a photograph, which a stand-in would overwrite",
                "Give an empty folder; if an interrupted rendering left it, delete the folder first.",
            )


def _stats_table(root: Path, counts: "BenchmarkCounts") -> "Table":
    from rich.table import Table

    drawn = " (stand-ins)" if counts["stand_ins"] else ""
    # Without outer lines it fits into 80 columns.
    table = Table(title=f"{root}{drawn}", title_justify="left", show_edge=False)
    for column in ("task", "split"):
        table.add_column(column)
    for column in ("records", "entities", "classes", "image paths", "facts", "phrasings: facts"):
        # A heading may go on in a second line, and is never cut within a word.
        longest_word = max(map(len, column.split()))
        table.add_column(column, justify="right", min_width=longest_word)
    for task, splits in counts["tasks"].items():
        for split, row in splits.items():
            table.add_row(task, split, *_numbers(row))
    table.add_section()
    table.add_row("all", str(counts["total"]["splits"]), *_numbers(counts["total"]))
    return table


def _numbers(row: "SampleCounts") -> list[str]:
    counts = (row["records"], row["entities"], row["classes"], row["image_paths"], row["facts"])
    numbers = [f"{count:,}" for count in counts]
    phrasings = [f"{count}: {facts}" for count, facts in row["phrasings_per_fact"].items()]
    return [*numbers, ", ".join(phrasings)]


def _findings_table(root: Path, found: list["Finding"]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from mlubench.data.check import KINDS

    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in found:
        groups.setdefault((finding.severity, finding.kind), []).append(finding)
    table = Table(title=str(root), title_justify="left", show_lines=True)
    table.add_column("kind")
    table.add_column("count", justify="right")
    table.add_column("what, and the first few", overflow="fold")
    order = list(KINDS)
    # Errors before warnings, and each in the order in which kinds are documented.
    for severity, kind in sorted(groups, key=lambda key: (key[0], order.index(key[1]))):
        group = groups[severity, kind]
        lines = [f"{KINDS[kind]}:", *(f"- {_where(f)}: {f.message}" for f in group[:_SHOWN])]
        if len(group) > _SHOWN:
            lines.append(f"- and {len(group) - _SHOWN:,} more; --json lists all")
        style = "red" if severity == "error" else "yellow"
        title = Text.assemble(f"{kind}\n", (severity, style))
        table.add_row(title, f"{len(group):,}", "\n".join(lines))
    return table


def _where(finding: "Finding") -> str:
    return finding.file if finding.record is None else f"{finding.file} record {finding.record}"
