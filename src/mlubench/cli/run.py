"""`mlubench run`: the whole experiment."""

from pathlib import Path

import click


@click.command(
    epilog="""\b
Examples:
  mlubench run                                   the toy preset, into runs/toy
  mlubench run smoke -s seed=1 -s 'methods=[ga, lumoe]'
  mlubench run official-rendered -s benchmark.root=DIR --out runs/official
  mlubench run mine.yaml --out runs/mine
"""
)
@click.argument("preset", default="toy", metavar="[PRESET|FILE.yaml]")
@click.option(
    "-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting, as key.path=value."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The run's folder; default runs/PRESET. An interrupted one resumes."
)
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the table.")
def run(preset: str, overrides: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Unlearn the tasks one after another with each method, test every archive on every task so far, and report."""
    from rich.console import Console

    from mlubench.config import load

    config = load(preset, list(overrides))
    from mlubench.cli.show import show
    from mlubench.lifelong.sequence import run_lifelong
    from mlubench.models import ranks
    from mlubench.models.quiet import quiet
    from mlubench.report.html import write_report

    quiet()
    ranks.start()
    folder = out or Path("runs") / config.preset
    console = Console(stderr=True, quiet=not ranks.leads())
    results = run_lifelong(config, folder, console)
    ranks.stop()
    if console.quiet:
        return
    report = write_report(folder, results)
    show(results, as_json=as_json)
    console.print(f"report: {report}")
