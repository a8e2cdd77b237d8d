"""`mlubench audit`: attacks on what a finished run built, and bounds that a release must keep."""

from pathlib import Path

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json, print_table


def _names(ctx: click.Context, option: click.Parameter, text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


@click.command(
    epilog="""\b
Examples:
  mlubench audit runs/toy --quick
  mlubench audit runs/toy --attacks plain,picture --systems lumoe,gate-only
  mlubench audit runs/toy --systems lumoe --fail-if 'leak>0.01' --fail-if 'lost>0.05'
  mlubench audit runs/toy --references
  mlubench audit runs/toy --oracle
  mlubench audit runs/mine --lmms-eval pope,mme --systems lumoe
"""
)
@click.argument("run", type=PATH)
@click.option(
    "--attacks", default="", callback=_names, help="Only these (`mlubench list attacks`)."
)
@click.option(
    "--systems",
    default="",
    callback=_names,
    help="Only these, besides the base: methods of the run, gate-only, prompt-only, training-free, oracle (trains a base).",
)
@click.option("--facts", type=click.IntRange(min=1), help="Facts of each kind to ask about: 40.")
@click.option("--quick", is_flag=True, help="A tenth of the work: 8 facts of each kind.")
@click.option(
    "--fail-if",
    "bounds",
    multiple=True,
    metavar="BOUND",
    help="Exit with 1 where it is broken: FIGURE>SHARE or ATTACK.FIGURE>SHARE, with FIGURE leak, lost or refused.",
)
@click.option(
    "--references",
    is_flag=True,
    help="Attack nothing: add all references to the run's table.",
)
@click.option(
    "--oracle",
    is_flag=True,
    help="Attack nothing: hold every archive against a base that never learned what it forgets. Trains such bases.",
)
@click.option(
    "--no-floor",
    is_flag=True,
    help="With --oracle: train no second one, which says how far two exact unlearnings are apart.",
)
@click.option(
    "--lmms-eval",
    "tasks",
    default="",
    callback=_names,
    metavar="TASK,...",
    help="Attack nothing: have lmms-eval run these tasks on the base and on --systems, with the scores side by side.",
)
@click.option(
    "--lmms-limit", type=click.IntRange(min=1), help="With --lmms-eval: questions of each task."
)
@click.option(
    "--lmms-include",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --lmms-eval: a folder with tasks of your own.",
)
@JSON
def audit(
    run: Path,
    attacks: tuple[str, ...],
    systems: tuple[str, ...],
    facts: int | None,
    quick: bool,
    bounds: tuple[str, ...],
    references: bool,
    oracle: bool,
    no_floor: bool,
    tasks: tuple[str, ...],
    lmms_limit: int | None,
    lmms_include: Path | None,
    as_json: bool,
) -> int:
    """Attack the systems of a finished RUN, and write its audit.json and its report anew.

    A figure is the share of answers that do harm: a forgotten fact told (leak), a kept one lost, a question refused that
    the base answers. Without the weights in hand, bounds are about LUMoE where the run has it, else about every method.
    """
    if references:
        return _add_references(run, as_json=as_json)
    if oracle:
        return _hold_against_oracle(
            run, systems, facts, quick=quick, floor=not no_floor, as_json=as_json
        )
    if no_floor:
        raise click.UsageError("--no-floor needs --oracle")
    if tasks:
        return _run_lmms_eval(run, tasks, lmms_limit, lmms_include, systems, as_json=as_json)
    if lmms_limit is not None or lmms_include is not None:
        raise click.UsageError("--lmms-limit and --lmms-include need --lmms-eval TASK,...")
    from mlubench.models.quiet import quiet

    quiet()
    from mlubench.audits.bounds import parse_bound
    from mlubench.audits.runner import FACTS, QUICK_FACTS, Wanted, audit_run
    from mlubench.report.audit_table import bound_lines, render_audit
    from mlubench.report.html import write_report

    wanted = Wanted(
        attacks=attacks,
        systems=systems,
        facts=facts or (QUICK_FACTS if quick else FACTS),
        quick=quick,
        bounds=tuple(parse_bound(text) for text in bounds),
    )
    found = audit_run(run, wanted)
    page = write_report(run)
    if as_json:
        print_json(found.as_json())
    else:
        print_table(render_audit(found))
    for line in bound_lines(found):
        click.echo(line, err=True)
    click.echo(f"report: {page}", err=True)
    return 1 if any(bound.broken for bound in found.bounds) else 0


def _add_references(run: Path, *, as_json: bool) -> int:
    from mlubench.audits.references import add_references
    from mlubench.cli.output import print_results
    from mlubench.report.html import write_report

    results = add_references(run)
    if results is None:
        click.echo("a judge's batch is under way: run `mlubench judge` later", err=True)
        return 1
    print_results(results, as_json=as_json, with_paper=False)
    click.echo(f"report: {write_report(run, results)}", err=True)
    return 0


def _hold_against_oracle(
    run: Path,
    systems: tuple[str, ...],
    facts: int | None,
    *,
    quick: bool,
    floor: bool,
    as_json: bool,
) -> int:
    from mlubench.audits.oracle.run import FACTS, QUICK_FACTS, measure_run
    from mlubench.report.html import write_report
    from mlubench.report.oracle_table import render_oracle

    facts = facts or (QUICK_FACTS if quick else FACTS)
    report = measure_run(run, facts=facts, systems=systems, floor=floor)
    if as_json:
        print_json(report.as_json())
    else:
        print_table(render_oracle(report))
    click.echo(f"report: {write_report(run)}", err=True)
    return 0


def _run_lmms_eval(
    run: Path,
    tasks: tuple[str, ...],
    limit: int | None,
    include: Path | None,
    systems: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    from mlubench.models.quiet import quiet

    quiet()
    from mlubench.audits.lmms_eval import Tasks, lmms_eval_run
    from mlubench.report.html import write_report
    from mlubench.report.lmms_eval_table import render_lmms_eval
    from mlubench.serving.measured import measured

    found = lmms_eval_run(run, Tasks(tasks, limit, include), systems, measured)
    page = write_report(run)
    if as_json:
        print_json(found.as_json())
    else:
        print_table(render_lmms_eval(found))
    click.echo(f"report: {page}", err=True)
    return 0
