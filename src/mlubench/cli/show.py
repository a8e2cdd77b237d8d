"""How commands print facts: JSON for programs, tables for people."""

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mlubench.runs.results import Results


def show(results: "Results", *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(results.as_json(), ensure_ascii=False))
        return
    from rich.console import Console

    from mlubench.report.table import WIDTH, render_table

    console = Console()
    console.print(render_table(results, min(console.width, WIDTH)))
