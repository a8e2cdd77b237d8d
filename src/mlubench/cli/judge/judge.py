"""`mlubench judge`: judge a run's answers again, without running any model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.options import RESULTS_JSON, RUN
from mlubench.cli.output import print_json, print_results

if TYPE_CHECKING:
    from mlubench.judging.rejudge import Forecast


@click.command(
    epilog="""\b
Examples:
  mlubench judge runs/toy --judge rules
  mlubench judge runs/toy --judge rules --judge shuffled      both in results.json
  mlubench judge runs/toy --judge openai:gpt-4.1-mini-2025-04-14 --dry-run
  mlubench judge runs/toy --judge openai:gpt-4.1-mini-2025-04-14 --max-cost 2
  mlubench judge runs/toy --judge local:models/Qwen2.5-7B-Instruct
"""
)
@RUN
@click.option(
    "--judge", "judges", multiple=True, default=("rules",), show_default=True, metavar="NAME"
)
@click.option(
    "-s",
    "overrides",
    multiple=True,
    metavar="judging.KEY=VALUE",
    help="Settings of judges that ask a model.",
)
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0),
    metavar="DOLLARS",
    help="Ask nothing that could cost more.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say how many calls, tokens, dollars and minutes it would take."
)
@click.option(
    "--batch",
    is_flag=True,
    help="Use the endpoint's batch API: send now, call again later to collect.",
)
@RESULTS_JSON
def judge(
    run: Path,
    judges: tuple[str, ...],
    overrides: tuple[str, ...],
    max_cost: float | None,
    dry_run: bool,
    batch: bool,
    as_json: bool,
) -> None:
    """Judge every answer in RUN and write results.json anew, with the cells of all judges named."""
    from mlubench.judging.rejudge import foresee, rejudge

    if max_cost is not None:
        overrides = (*overrides, f"judging.max_cost={max_cost}")
    if dry_run:
        rows = foresee(run, judges, overrides, batch=batch)
        if as_json:
            print_json(rows)
            return
        for row in rows:
            click.echo(_forecast_line(row))
        return
    results = rejudge(
        run, judges, overrides, batch=batch, say=lambda line: click.echo(line, err=True)
    )
    # None while a batch is under way: there is nothing to show yet.
    if results is not None:
        print_results(results, as_json=as_json)


def _forecast_line(row: "Forecast") -> str:
    """One judge's forecast in words."""
    line = f"{row['judge']}: {row['cells']} cells, {row['questions']:,} answers, {row['calls']:,} calls"
    # Only judges that ask a model have tokens to pay for.
    if "prompt_tokens" in row:
        money = "an unknown sum (set judging.prices)"
        if row["money"] is not None:
            money = f"about ${row['money']:.2f}"
        tokens = row["prompt_tokens"] + row["completion_tokens"]
        line += f", about {tokens:,} tokens, {money}, {row['seconds'] / 60:.1f} min"
    return line
