"""`mlubench experts consolidate` and `prune`: many experts into fewer, and the storage of those no longer needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlubench.cli.options import JSON, STORE
from mlubench.cli.output import print_facts

if TYPE_CHECKING:
    from mlubench.studies.consolidation.report import ComparedCell, ConsolidationReport, GroupReport


@click.command(
    epilog="""\b
Examples:
  mlubench experts consolidate runs/toy --into 2
  mlubench experts consolidate runs/toy A B --method distil --json
  mlubench experts consolidate runs/toy --rank 16 --scale sum --max-drop 0
  mlubench experts consolidate store --unmeasured
  mlubench experts rollback runs/toy merged+1      undoes it
"""
)
@STORE
@click.argument("names", nargs=-1)
@click.option(
    "--into",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many to make of them.",
)
@click.option("--method", type=click.Choice(["svd", "distil"]), default="svd", show_default=True,
              help="Compress the sum of their deltas, or train one anew on all they were to forget.")  # fmt: skip
@click.option(
    "--rank",
    type=click.IntRange(min=1),
    help="LoRA rank of each; the largest of its members' if not given.",
)
@click.option("--scale", type=click.Choice(["mean", "root", "sum"]), default="root", show_default=True,
              help="svd: the factor on each of n deltas, 1/n, 1/sqrt(n) or 1.")  # fmt: skip
@click.option("--group", type=click.Choice(["order", "similar"]), default="order", show_default=True,
              help="Merge neighbours, or those whose deltas are alike.")  # fmt: skip
@click.option("--max-drop", type=click.FloatRange(0, 1), default=0.02, show_default=True,
              help="How much any cell's score (0 to 1) may fall.")  # fmt: skip
@click.option(
    "--unmeasured",
    is_flag=True,
    help="Of a plain store, which has no benchmark: merge without measuring.",
)
@JSON
@click.pass_context
def consolidate(
    ctx: click.Context, store: Path, unmeasured: bool, as_json: bool, **options: Any
) -> None:
    """Merge experts NAMES, all that are on if none is named, into fewer.

    Of a run, forget quality and utility are measured before and after, by its judge on its test samples through its gate.
    If any cell falls by more than --max-drop nothing changes, and the exit code is 1. What was merged stays on disk.
    """
    from mlubench.core.console import plain_console
    from mlubench.core.errors import UsageError
    from mlubench.lumoe.experts.merge_plan import Plan
    from mlubench.models.quiet import quiet
    from mlubench.runs.folder import RunDir
    from mlubench.studies.consolidation.consolidate import consolidate_run, consolidate_store

    quiet()
    plan = Plan(**{**options, "names": tuple(options["names"])})
    if RunDir(store).config_file.is_file():
        if unmeasured:
            raise UsageError(
                "a run is always measured",
                "Leave --unmeasured out; --max-drop 1 lets everything pass.",
            )
        report = consolidate_run(store, plan, plain_console(stderr=True))
    elif unmeasured:
        from mlubench.cli.experts.store import open_store

        report = consolidate_store(open_store(store), plan)
    else:
        raise UsageError(
            f"{store} is no run, so nothing can be measured",
            "Give the run, or say --unmeasured to merge all the same.",
        )
    print_facts(report, "\n".join(_lines(report)), as_json=as_json)
    ctx.exit(0 if report["adopted"] else 1)


def _lines(report: "ConsolidationReport") -> list[str]:
    lines = [_group_line(group) for group in report["groups"]]
    lines += [f"left out: {name}, as {why}" for name, why in report["left_out"].items()]
    lines += [_cell_line(cell) for cell in report["cells"]]
    if not report["adopted"]:
        lines += [f"not replaced: {why}" for why in report["why"]]
        return [*lines, "nothing was changed"]
    first = report["groups"][0]["name"]
    unmeasured = "" if report["measured"] else ", unmeasured"
    undo = f"`mlubench experts rollback {report['store']} {first}` undoes it"
    return [*lines, f"replaced{unmeasured}; {undo}"]


def _group_line(group: "GroupReport") -> str:
    made = "trained anew"
    if "relative_error" in group:
        made = f"{group['relative_error']:.1%} of the sum cut off"
    sizes = f"{group['bytes_before']:,} -> {group['bytes']:,} bytes"
    return f"{group['name']}: {' + '.join(group['members'])}, rank {group['rank']}, {made}, {sizes}"


def _cell_line(cell: "ComparedCell") -> str:
    scores = []
    for figures in (cell["before"], cell["after"]):
        scores.append("none" if figures["score"] is None else f"{figures['score']:.3f}")
    mark = "  <- too low" if cell["why"] else ""
    return f"task {cell['task']}, {cell['metric']}: {' -> '.join(scores)}{mark}"


@click.command(
    epilog="""\b
Example:
  mlubench experts prune runs/toy --yes
"""
)
@STORE
@click.option("--yes", is_flag=True, help="Do it. There is no way back but an import.")
@JSON
def prune(store: Path, yes: bool, as_json: bool) -> None:
    """Delete the weights of experts that a merged one stands for. Their manifests and gates stay."""
    from mlubench.cli.experts.store import open_store
    from mlubench.core.errors import UsageError
    from mlubench.lumoe.experts.merging import prune as prune_store

    opened = open_store(store)
    if not yes:
        raise UsageError(
            "pruned weights cannot be rolled back to",
            "Export what may be wanted again, then say --yes.",
        )
    freed = prune_store(opened)
    text = f"{sum(freed.values()):,} bytes freed: {', '.join(freed) or 'no expert is merged'}"
    print_facts({"freed": freed, "bytes": sum(freed.values())}, text, as_json=as_json)
