"""`mlubench status`: how far a run has come, read from its folder alone."""

from dataclasses import asdict
from pathlib import Path

import click

from mlubench.cli.options import JSON, RUN
from mlubench.cli.output import print_json, print_table


@click.command(
    epilog="""\b
Example:
  mlubench status runs/toy
"""
)
@RUN
@JSON
def status(run: Path, as_json: bool) -> None:
    """What is archived, answered and judged in RUN."""
    from mlubench.runs.status import status_of

    found = status_of(run)
    if as_json:
        print_json(asdict(found))
        return
    from rich.table import Table

    table = Table(title=f"{run}: {found.state}", title_justify="left")
    for column in ("method", "archived", "cells answered", "cells judged"):
        table.add_column(column)
    for row in found.methods:
        table.add_row(
            row.method,
            " ".join(row.archived) or "-",
            f"{row.answered}/{row.cells}",
            f"{row.judged}/{row.cells}",
        )
    print_table(table)
    for line in found.damaged:
        click.echo(f"damaged: {line}", err=True)
    if found.rest:
        click.echo(found.rest, err=True)
