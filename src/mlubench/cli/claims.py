"""`mlubench claims`: which of the paper's claims hold in runs that are there."""

from pathlib import Path

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json, print_table


@click.command(
    epilog="""\b
Examples:
  mlubench claims runs/real-0 runs/real-1 runs/real-2       seeds of one preset are pooled
  mlubench claims runs/toy runs/real-*                      two benchmarks side by side
  mlubench claims runs/scope-language runs/scope-vision     what differs in train.scope is compared
"""
)
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option("--judge", help="Whose scores count; the first of each run if not given.")
@JSON
def claims(runs: tuple[Path, ...], judge: str | None, as_json: bool) -> None:
    """Test the paper's four claims on finished RUNS, beside the paper's own figures.

    Each claim is a statistic with its interval. It holds, does not hold or cannot be told, by a rule that is printed too.
    """
    from mlubench.report.claims_table import render_claims
    from mlubench.studies.claims.rules import claims_of

    found = claims_of(runs, judge=judge)
    if as_json:
        print_json(found)
        return
    print_table(render_claims(found))
