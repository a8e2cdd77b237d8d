"""`mlubench status`: how far a run has come, read from its folder alone."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command(
    epilog="""\b
Example:
  mlubench status runs/toy
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def status(run: Path, as_json: bool) -> None:
    """What is archived, answered and judged in RUN."""
    from mlubench.runs.status import status_of

    found = status_of(run)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    from rich.console import Console
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
    Console().print(table)
