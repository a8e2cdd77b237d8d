"""`mlubench judge agreement`: whether judges can be believed, against each other and against people."""

from pathlib import Path

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json, print_table


@click.command(
    epilog="""\b
Examples:
  mlubench judge agreement runs/toy --judge rules --judge shuffled
  mlubench judge agreement runs/toy --judge rules --labels labels.csv
  mlubench judge agreement --shipped --judge rules      against the labelled answers of the project
"""
)
@click.argument("run", required=False, type=PATH)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="NAME",
    help="Default: every judge with verdicts in RUN.",
)
@click.option("--labels", type=PATH, help="A sheet that `mlubench judge label` wrote.")
@click.option(
    "--shipped", is_flag=True, help="Against the labelled answers of the project, without a run."
)
@click.option(
    "--resamples",
    default=1000,
    show_default=True,
    type=click.IntRange(10, 100_000),
    help="Of the bootstrap.",
)
@JSON
def agreement(
    run: Path | None,
    judges: tuple[str, ...],
    labels: Path | None,
    shipped: bool,
    resamples: int,
    as_json: bool,
) -> None:
    """Weighted kappa, confusion matrix and rank correlation of methods, with intervals. No model is run."""
    from mlubench.core.errors import UsageError
    from mlubench.report.agreement_table import render_agreement, render_shipped
    from mlubench.runs.folder import RunDir
    from mlubench.studies.agreement import agree, agree_with_shipped
    from mlubench.studies.labelling import read_sheet

    if shipped == (run is not None):
        raise UsageError(
            "give either a RUN or --shipped", "`mlubench judge agreement --help` has examples."
        )
    if run is None:
        if labels is not None or len(judges) > 1:
            raise UsageError(
                "--shipped takes one --judge and no --labels", "Ask for one judge after the other."
            )
        by_half = agree_with_shipped(judges[0] if judges else "rules", resamples=resamples)
        if as_json:
            print_json(by_half)
        else:
            print_table(render_shipped(by_half))
        return
    folder = RunDir(run)
    # Refuses a folder that is no run.
    folder.config()
    sheet = read_sheet(labels) if labels else None
    by_pair = agree(folder, judges, sheet, resamples=resamples)
    if as_json:
        print_json(by_pair)
    else:
        print_table(render_agreement(by_pair))
