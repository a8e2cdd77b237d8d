"""How commands print facts: one JSON text for programs, text and tables for people."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlubench.runs.results import Results


def print_json(facts: Mapping[str, object] | Sequence[object]) -> None:
    """One line of JSON on stdout."""
    # Names of entities stay as they are spelled, where the reader can take them. Half a character is none.
    text = json.dumps(facts, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(facts)
    click.echo(text)


def on_one_line(text: str) -> str:
    """What somebody wrote, as part of a line: ends of lines are blanks, and what moves a cursor or turns text is spelt."""
    line = " ".join(text.split())
    spelt = [letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line]
    return "".join(spelt)


def print_facts(facts: Mapping[str, object], text: str, *, as_json: bool) -> None:
    """The same facts, as JSON for programs or as text for people."""
    if as_json:
        print_json(facts)
    else:
        click.echo(text)


def print_table(table: "RenderableType") -> None:
    from mlubench.core.console import plain_console  # imported late, so that help stays fast

    plain_console(fold=True).print(table)


def print_results(results: "Results", *, as_json: bool, with_paper: bool = False) -> None:
    if as_json:
        print_json(results.as_json())
        return
    from mlubench.core.console import plain_console
    from mlubench.report.table import WIDTH, render_table

    console = plain_console(fold=True)
    # A wide terminal does not pull the columns apart.
    width = min(console.width, WIDTH)
    console.print(render_table(results, width, with_paper=with_paper))
