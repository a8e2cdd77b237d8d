"""`mlubench run`: the whole experiment."""

from pathlib import Path

import click

from mlubench.cli.options import PATH


@click.command(
    epilog="""\b
Examples:
  mlubench run                                   the toy preset, into runs/toy
  mlubench run smoke -s seed=1 -s 'methods=[ga, lumoe]'
  mlubench run official-rendered -s benchmark.root=DIR --out runs/official
  mlubench run mine.yaml --out runs/mine
  mlubench run real --dry-run --measure          time and memory, from a few steps on the base
  mlubench run llava-v1.6-7b -s benchmark.root=DIR -s benchmark.images=PHOTOS --dry-run
  mlubench run llava-v1.6-7b -s benchmark.root=DIR --dry-run --card rtx4090    what it takes, before you rent it
"""
)
@click.argument("preset", default="toy", metavar="[PRESET|FILE.yaml]")
@click.option(
    "-s",
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting, as key.path=value.",
)
@click.option(
    "--out",
    type=PATH,
    help="The run's folder; default runs/PRESET. An interrupted one resumes.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would be done, needed and is missing; load and write nothing.",
)
@click.option(
    "--measure",
    is_flag=True,
    help="With --dry-run: load the base, take a few steps and answers of each method, and say time and peak memory.",
)
@click.option(
    "--card",
    metavar="NAME",
    help="With --dry-run: memory with activations, disk and hours on this card (l4, rtx4090, a100-80gb, h100, ...).",
)
@click.option(
    "--utilisation",
    type=click.FloatRange(0, 1, min_open=True),
    help="With --card: the share of its stated rates that is reached.",
)
@click.option(
    "--picture",
    metavar="WxH",
    help="With --card: the size of a picture in pixels, where the benchmark's are not here.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print results.json, or the plan, instead of tables."
)
def run(
    preset: str,
    overrides: tuple[str, ...],
    out: Path | None,
    dry_run: bool,
    measure: bool,
    card: str | None,
    utilisation: float | None,
    picture: str | None,
    as_json: bool,
) -> int:
    """Unlearn the tasks one after another with each method, test every archive on every task so far, and report.

    With --dry-run the exit code is 1 when something is missing that a run would need.
    """
    from mlubench.settings.loading import load

    if measure and not dry_run:
        raise click.UsageError("--measure goes with --dry-run.")
    if card is not None and not dry_run:
        raise click.UsageError("--card goes with --dry-run.")
    if card is None and (utilisation is not None or picture is not None):
        raise click.UsageError("--utilisation and --picture go with --card.")
    config = load(preset, list(overrides), draft=dry_run)
    folder = out or Path("runs") / config.preset
    if dry_run:
        from mlubench.cli.forecast import wish_of
        from mlubench.cli.plan import dry

        wish = wish_of(card, utilisation, picture) if card is not None else None
        return dry(config, folder, wish=wish, measured=measure, as_json=as_json)
    from mlubench.cli.output import print_results
    from mlubench.core import processes
    from mlubench.core.console import plain_console
    from mlubench.experiment.sequence import run_lifelong
    from mlubench.models.quiet import quiet
    from mlubench.report.html import write_report

    quiet()
    # Joins the others where torchrun has started several processes.
    processes.start()
    console = plain_console(stderr=True, quiet=not processes.leads())
    results = run_lifelong(config, folder, console)
    processes.stop()
    # Of several processes only the first one reports.
    if console.quiet:
        return 0
    report = write_report(folder, results)
    print_results(results, as_json=as_json)
    console.print(f"report: {report}")
    return 0
