"""`mlubench audit`: attacks on what a finished run built, and bounds that a release must keep."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json, print_table

# By the option that asks for something in the place of attacks: the options that go with it.
_INSTEAD: Mapping[str, Sequence[str]] = {
    "references": (),
    "oracle": ("systems", "facts", "quick", "no_floor"),
    "tasks": ("systems", "lmms_limit", "lmms_include"),
}
_WITH_ATTACKS = ("attacks", "systems", "facts", "quick", "bounds")


def _names(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Names with commas between them; none where the option is not given. Without a name it would stand for all."""
    if text is None:
        return ()
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise click.BadParameter("give at least one name, or leave the option away")
    return tuple(dict.fromkeys(names))


def _require_one_measurement(ctx: click.Context) -> None:
    """Refuse what the measurement does not look at: it would be left out without a word."""
    flags = {option.name: option.opts[0] for option in ctx.command.params if option.name}
    given = [
        name for name in flags if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    measured = [name for name in given if name in _INSTEAD]
    if len(measured) > 1:
        both = " and ".join(flags[name] for name in measured)
        raise click.UsageError(f"{both} are measured one at a time: call `mlubench audit` for each")
    if {"facts", "quick"} <= set(given):
        raise click.UsageError("--facts and --quick both say how many facts are asked about")
    options = [name for name in given if name not in ("run", "as_json", *measured)]
    if measured:
        what = measured[0]
        strange = [name for name in options if name not in _INSTEAD[what]]
        if strange:
            raise click.UsageError(f"{flags[strange[0]]} does not go with {flags[what]}")
        return
    for name in options:
        if name not in _WITH_ATTACKS:
            needed = next(flags[what] for what in _INSTEAD if name in _INSTEAD[what])
            raise click.UsageError(f"{flags[name]} needs {needed}")


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
@click.option("--attacks", callback=_names, help="Only these (`mlubench list attacks`).")
@click.option(
    "--systems",
    callback=_names,
    help="Only these, besides the base: methods of the run, gate-only, prompt-only, training-free, oracle (trains a base).",
)
@click.option("--facts", type=click.IntRange(min=1), help="Facts of each kind to ask about: 40.")
@click.option("--quick", is_flag=True, help="About a fifth of the work: 8 facts of each kind.")
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
@click.pass_context
def audit(
    ctx: click.Context,
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
    _require_one_measurement(ctx)
    if references:
        return _add_references(run, as_json=as_json)
    if oracle:
        return _hold_against_oracle(
            run, systems, facts, quick=quick, floor=not no_floor, as_json=as_json
        )
    if tasks:
        return _run_lmms_eval(run, tasks, lmms_limit, lmms_include, systems, as_json=as_json)
    from mlubench.models.quiet import quiet

    quiet()
    from mlubench.audits.bounds import parse_bound
    from mlubench.audits.runner import FACTS, QUICK_FACTS, Wanted, audit_run
    from mlubench.report.audit_table import bound_lines, left_out_lines, render_audit
    from mlubench.report.html import write_report
    from mlubench.runs.audits import read_audit
    from mlubench.runs.folder import RunDir

    wanted = Wanted(
        attacks=attacks,
        systems=systems,
        facts=facts or (QUICK_FACTS if quick else FACTS),
        quick=quick,
        bounds=tuple(parse_bound(text) for text in bounds),
    )
    earlier = read_audit(RunDir(run).audit)
    found = audit_run(run, wanted)
    page = write_report(run)
    if as_json:
        print_json(found.as_json())
    else:
        print_table(render_audit(found))
    for line in (*left_out_lines(earlier, found), *bound_lines(found)):
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
