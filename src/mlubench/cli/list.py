"""`mlubench list`: what can be asked for by name."""

import json

import click


@click.command(
    "list",
    epilog="""\b
Examples:
  mlubench list methods
  mlubench list presets --json
""",
)
@click.argument("kind", type=click.Choice(["presets", "methods", "gates", "judges", "models"]))
@click.option("--json", "as_json", is_flag=True)
def list_names(kind: str, as_json: bool) -> None:
    """Names, what they stand for, and where they come from."""
    from mlubench import registry
    from mlubench.config import preset_summaries

    if kind == "presets":
        rows = [{"name": name, "summary": summary} for name, summary in preset_summaries().items()]
    else:
        table = getattr(registry, kind.upper())
        rows = [
            {"name": n, "summary": e.summary, **({"source": e.source} if e.source else {})} for n, e in table.items()
        ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(len(r["name"]) for r in rows)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['summary']}{'  [' + row['source'] + ']' if 'source' in row else ''}")
