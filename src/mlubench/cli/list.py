"""`mlubench list`: what can be asked for by name."""

import click

from mlubench.cli.options import JSON
from mlubench.cli.output import print_json

# Of all tables, in the order shown.
COLUMNS = ("name", "default", "summary", "formula", "source")


@click.command(
    "list",
    epilog="""\b
Examples:
  mlubench list methods
  mlubench list presets --json
  mlubench list formats
  mlubench list settings
""",
)
@click.argument(
    "kind",
    type=click.Choice(
        ["presets", "methods", "gates", "judges", "models", "formats", "attacks", "settings"]
    ),
)
@JSON
def list_names(kind: str, as_json: bool) -> None:
    """Names, what they stand for, and where they come from."""
    rows = _rows(kind)
    if as_json:
        print_json(rows)
        return
    # Column -> its width; a column that no row fills is left out.
    widths: dict[str, int] = {}
    for column in COLUMNS:
        width = max(len(row.get(column, "")) for row in rows)
        if width:
            widths[column] = width
    for row in rows:
        cells = [f"{row.get(column, ''):<{width}}" for column, width in widths.items()]
        click.echo("  ".join(cells).rstrip())


def _rows(kind: str) -> list[dict[str, str]]:
    """What there is of a kind, each as the columns that it fills."""
    from dataclasses import asdict
    from json import dumps

    from mlubench.audits.table import ATTACKS
    from mlubench.data.formats.table import FORMATS
    from mlubench.experiment.table import METHODS
    from mlubench.judging.table import JUDGES
    from mlubench.lumoe.gates.table import GATES
    from mlubench.models.table import MODELS
    from mlubench.settings.loading import preset_summaries
    from mlubench.settings.reference import setting_rows

    if kind == "presets":
        return [{"name": name, "summary": text} for name, text in preset_summaries().items()]
    rows: list[dict[str, str]] = []
    if kind == "settings":
        for setting in setting_rows():
            default = dumps(setting.default)
            rows.append({"name": setting.name, "default": default, "summary": setting.meaning})
        return rows
    tables = {
        "methods": METHODS,
        "gates": GATES,
        "judges": JUDGES,
        "models": MODELS,
        "formats": FORMATS,
        "attacks": ATTACKS,
    }
    table = tables[kind]
    for name, entry in table.items():
        facts = {key: value for key, value in asdict(entry).items() if value}
        # Where the code lies is nobody's affair but ours.
        for place in ("target", "requires"):
            facts.pop(place, None)
        rows.append({"name": name, **facts})
    return rows
