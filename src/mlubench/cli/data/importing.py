"""`mlubench data import`: another benchmark's files, as users download them, in the official layout."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_facts

if TYPE_CHECKING:
    from mlubench.data.formats.importing import ImportFacts


@click.command(
    "import",
    epilog="""\b
Examples:
  mlubench list formats
  mlubench data import tofu TOFU --out tofu --forget forget05
  mlubench data import mllmu-bench MLLMU-Bench --out mllmu --tasks 5 --seed 1
  mlubench data import llava-instruct llava.json --images coco --out llava --per-task 20 --keep 200
  mlubench data import huggingface FOLDER --out mine --column entity=person
""",
)
@click.argument("kind")
@click.argument("source", type=PATH)
@click.option("--out", type=PATH, required=True, help="A new folder for the benchmark.")
@click.option("--tasks", type=click.IntRange(1), default=4, show_default=True, help="How many.")
@click.option(
    "--per-task",
    type=click.IntRange(1),
    help="Entities that each task forgets; all that the original forgets if not given, or one in ten.",
)
@click.option(
    "--keep", type=click.IntRange(1), help="Entities that each task keeps; all others if not given."
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Draws which task an entity is in."
)
@click.option("--forget", help="The original's forget set, as forget05; the largest if not given.")
@click.option(
    "--images", type=PATH, help="Folder that the picture paths start from; SOURCE if not given."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="OURS=THEIRS",
    help="Of `huggingface`: which column is question, answer, entity, class, image, split or task.",
)
@JSON
def import_data(
    kind: str,
    source: Path,
    out: Path,
    tasks: int,
    per_task: int | None,
    keep: int | None,
    seed: int,
    forget: str | None,
    images: Path | None,
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    """Read SOURCE, a download of another benchmark of the KIND, and write it in the official layout.

    Where the original has no sequence of tasks, one is drawn. What was assumed and what is lost is told at the end, and
    stands in OUT/import.json.
    """
    from mlubench.data.formats.importing import import_benchmark
    from mlubench.data.formats.item import ImportOptions

    options = ImportOptions(
        tasks=tasks,
        forget_per_task=per_task,
        retain_per_task=keep,
        seed=seed,
        forget=forget,
        images=images,
        columns=_pairs(columns),
    )
    found = import_benchmark(kind, source, out, options, quiet=as_json)
    print_facts({**found}, _summary(found, out), as_json=as_json)


def _lost(line: str, count: int) -> str:
    return f"- {line}" if count == 1 else f"- {line} ({count:,})"


def _pairs(columns: tuple[str, ...]) -> dict[str, str]:
    from mlubench.core.errors import UsageError

    pairs: dict[str, str] = {}
    for column in columns:
        ours, equals, theirs = column.partition("=")
        if not equals or not theirs:
            raise UsageError(f"--column {column!r} is no pair", "Write --column entity=person.")
        pairs[ours] = theirs
    return pairs


def _summary(found: "ImportFacts", out: Path) -> str:
    counts = found["counts"]
    lines = [
        f"{out}: {counts['records']:,} records of {counts['entities']:,} entities "
        f"in {counts['tasks']} tasks, {counts['image_paths']:,} pictures, {counts['facts']:,} facts"
    ]
    if found["assumed"]:
        lines += ["", "Assumed:", *(f"- {line}" for line in found["assumed"])]
    if found["lost"]:
        lines += ["", "Left out:"]
        lines += [_lost(line, count) for line, count in found["lost"].items()]
    lines += ["", f"Next: mlubench data check {out}"]
    return "\n".join(lines)
