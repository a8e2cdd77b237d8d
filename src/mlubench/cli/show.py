"""How commands print facts: JSON for programs, tables for people."""

import json
from typing import Any

import click


def show(results: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(results, ensure_ascii=False))
        return
    from rich.console import Console

    from mlubench.report.table import WIDTH, render_table

    console = Console()
    console.print(render_table(results, min(console.width, WIDTH)))
