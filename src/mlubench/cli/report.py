"""`mlubench report`: the table and the page of runs that are there."""

from pathlib import Path

import click

from mlubench.cli.options import PATH, RESULTS_JSON


@click.command(
    epilog="""\b
Examples:
  mlubench report runs/toy
  mlubench report runs/toy --figures docs/results/toy
  mlubench report runs/toy --published
"""
)
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option(
    "--figures",
    type=PATH,
    help="Also save the figures as PNG files in this folder.",
)
@click.option(
    "--published",
    is_flag=True,
    help="Set the paper's scores below each method's, in table and page.",
)
@RESULTS_JSON
def report(runs: tuple[Path, ...], figures: Path | None, published: bool, as_json: bool) -> None:
    """Print each run's table and write its report.html again."""
    from mlubench.cli.output import print_results
    from mlubench.report.html import write_figures, write_report
    from mlubench.runs.opening import open_run
    from mlubench.runs.status import status_of

    for folder in runs:
        results = open_run(folder).results()
        print_results(results, as_json=as_json, with_paper=published)
        # To stderr, so that stdout holds results alone.
        rest = status_of(folder).rest
        if rest:
            click.echo(rest, err=True)
        page = write_report(folder, results, with_paper=published)
        click.echo(f"report: {page}", err=True)
        if figures:
            write_figures(results, figures)
