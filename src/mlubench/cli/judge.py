"""`mlubench judge`: judge a run's answers again, without running any model."""

from pathlib import Path

import click


@click.command(
    epilog="""\b
Examples:
  mlubench judge runs/toy --judge rules
  mlubench judge runs/toy --judge rules --judge shuffled      both in results.json
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--judge", "judges", multiple=True, default=("rules",), show_default=True, metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the table.")
def judge(run: Path, judges: tuple[str, ...], as_json: bool) -> None:
    """Judge every answer in RUN and write results.json anew, with the cells of all judges named."""
    from mlubench.cli.show import show
    from mlubench.lifelong.rejudge import rejudge

    show(rejudge(run, list(judges)), as_json=as_json)
