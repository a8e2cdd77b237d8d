"""`mlubench judge label`: a person scores sampled answers with single keys, and may stop and go on."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.options import PATH, RUN
from mlubench.cli.output import print_facts

if TYPE_CHECKING:
    from mlubench.studies.labelling import Item

KEYS = "0 1 2: the score   s: skip   b: back   q: stop, go on later"


@click.command(
    epilog="""\b
Examples:
  mlubench judge label runs/toy --n 100 --out labels.csv
  mlubench judge label runs/toy --n 100 --out labels.csv --sheet      to be filled in by a spreadsheet
"""
)
@RUN
@click.option(
    "--n", default=100, show_default=True, type=click.IntRange(min=1), help="How many answers."
)
@click.option("--seed", default=0, show_default=True, help="Draws other answers.")
@click.option("--out", type=PATH, help="The sheet, as CSV. Default: RUN/labels.csv.")
@click.option("--sheet", is_flag=True, help="Write the sheet and ask nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what the sheet holds as one JSON object."
)
def label(run: Path, n: int, seed: int, out: Path | None, sheet: bool, as_json: bool) -> None:
    """Score N answers by hand, in random order, without seeing who gave them. The same command goes on."""
    from mlubench.core.errors import UsageError
    from mlubench.runs.folder import RunDir
    from mlubench.studies.labelling import (
        label_items,
        labels_of,
        read_sheet,
        sample_items,
        write_sheet,
    )

    folder = RunDir(run)
    folder.config()
    path = out or folder.labels
    # A sheet that is there goes on; it is never drawn anew.
    if path.is_file():
        items = read_sheet(path)
    else:
        items = sample_items(folder, n, seed=seed)
        write_sheet(path, items)
    if not sheet:
        if not sys.stdin.isatty():
            raise UsageError(
                "there is no keyboard to ask",
                f"Fill the column `label` of {path}: 0, 1, 2 or skip.",
            )
        total = len(items)
        items = label_items(
            items,
            ask=lambda item, index: _ask_score(item, index, total),
            save=lambda now: write_sheet(path, now),
        )
    facts = {"sheet": str(path), "items": len(items), "labelled": len(labels_of(items))}
    text = f"{path}: {facts['labelled']} of {facts['items']} labelled"
    print_facts(facts, text, as_json=as_json)


def _ask_score(item: "Item", index: int, total: int) -> str:
    """Show one answer with its rubric, and wait for a key that means something."""
    from rich.panel import Panel
    from rich.text import Text

    from mlubench.core.console import plain_console
    from mlubench.judging.rubric import RUBRIC

    console = plain_console(fold=True)
    # Going back shows what was given before.
    given = f", now {item.label}" if item.label else ""
    console.rule(f"{index + 1} of {total}{given}")
    for score, meaning in sorted(RUBRIC[item.metric].items(), reverse=True):  # type: ignore[index]
        console.print(Text(f"{score}: {meaning}", style="dim"))
    for name, text in (
        ("Subject", item.subject),
        ("Question", item.question),
        ("Truth", item.truth),
    ):
        console.print(Text.assemble((f"{name}: ", "bold"), text))
    console.print(Panel(Text(item.response or "(empty)"), title="Answer"))
    console.print(Text(KEYS, style="dim"))
    while True:
        key = click.getchar().lower()
        # An empty text is in every text.
        if key and key in "012sbq":
            return key
        click.echo(f"{key!r} is no answer. {KEYS}")
