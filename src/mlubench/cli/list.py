"""`mlubench list`: what can be asked for by name."""

import click

from mlubench.cli.options import JSON
from mlubench.cli.output import print_json


@click.command(
    "list",
    epilog="""\b
Examples:
  mlubench list methods
  mlubench list presets --json
""",
)
@click.argument("kind", type=click.Choice(["presets", "methods", "gates", "judges", "models"]))
@JSON
def list_names(kind: str, as_json: bool) -> None:
    """Names, what they stand for, and where they come from."""
    from dataclasses import asdict

    from mlubench.experiment.table import METHODS
    from mlubench.judging.table import JUDGES
    from mlubench.lumoe.gates.table import GATES
    from mlubench.models.table import MODELS
    from mlubench.settings.loading import preset_summaries

    if kind == "presets":
        rows = [{"name": name, "summary": summary} for name, summary in preset_summaries().items()]
    else:
        table = {"methods": METHODS, "gates": GATES, "judges": JUDGES, "models": MODELS}[kind]
        rows = [
            {"name": n, **{k: v for k, v in asdict(e).items() if v and k != "target"}}
            for n, e in table.items()
        ]
    if as_json:
        print_json(rows)
        return
    columns = [k for k in ("name", "summary", "formula", "source") if any(k in r for r in rows)]
    widths = {k: max(len(r.get(k, "")) for r in rows) for k in columns}
    for row in rows:
        click.echo("  ".join(f"{row.get(k, ''):<{widths[k]}}" for k in columns).rstrip())
