"""`mlubench data audit`: what a reader of every record would object to, and a patch for what a rule can mend."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlubench.cli.options import ROOT
from mlubench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from mlubench.data.audit.facts import Data, Finding
    from mlubench.data.audit.kinds import FaultKind

# Findings of a kind that the table shows.
_SHOWN = 4


@click.command(
    epilog="""\b
Examples:
  mlubench data audit MLUBench
  mlubench data audit MLUBench --kind phrasing --kind truncated --json
  mlubench data audit MLUBench --fix audit.patch      then read it, and: cd MLUBench && git apply ../audit.patch

Exit code: 0 whatever is found; with --strict 1 where anything is.
"""
)
@ROOT
@click.option(
    "--kind",
    "only",
    multiple=True,
    metavar="KIND",
    help="Look for this kind alone; may be given again.",
)
@click.option(
    "--fix",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATCH",
    help="Write what a rule can fix as a unified diff. Nothing is applied.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 where anything is found.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object with every record of every finding.",
)
@click.pass_context
def audit(
    ctx: click.Context,
    root: Path,
    only: tuple[str, ...],
    fix: Path | None,
    strict: bool,
    as_json: bool,
) -> None:
    """List answers, questions and shares in ROOT that are wrong or skewed, though the layout is right."""
    from mlubench.core.progress import progress_bar
    from mlubench.data.audit import facts, kinds
    from mlubench.judging.rules.refusal import refusal

    table = kinds.chosen(kinds.kinds(refusal), only)
    data = facts.load(root)
    with progress_bar(disable=as_json) as bar:
        looking = bar.add_task("Auditing", total=len(table))
        found = kinds.audit(data, table, progress=lambda done: bar.update(looking, completed=done))
    patch = _write_patch(root, fix, table, found) if fix else None
    if as_json:
        print_json(_report(root, data, table, found, patch))
    else:
        _show(root, data, table, found)
    if patch and not as_json:
        click.echo(_patch_line(root, patch))
    ctx.exit(1 if strict and found else 0)


def _write_patch(
    root: Path, path: Path, table: dict[str, "FaultKind"], found: list["Finding"]
) -> dict[str, Any]:
    from mlubench.core.errors import UsageError
    from mlubench.core.files import write_atomic
    from mlubench.data.audit.patch import make_patch

    # A patch may have been mended by hand since.
    if path.exists():
        raise UsageError(f"{path} exists", "Give another name, or delete it first.")
    patch = make_patch(root, table, found)
    if patch.text:
        write_atomic(path, patch.text)
    facts = {"rewritten": patch.rewritten, "removed": patch.removed, "applied": False}
    return {"file": str(path) if patch.text else None, **facts}


def _patch_line(root: Path, patch: dict[str, Any]) -> str:
    if not patch["file"]:
        return "no patch written: nothing was found that a rule can fix"
    return (
        f"{patch['file']}: rewrites {patch['rewritten']:,} records and removes {patch['removed']:,}. Nothing is applied; "
        f"read it, then `patch -p1` or `git apply` in {root}"
    )


def _report(
    root: Path,
    data: "Data",
    table: dict[str, "FaultKind"],
    found: list["Finding"],
    patch: dict[str, Any] | None,
) -> dict[str, Any]:
    from mlubench.data.audit import balance, kinds

    by_kind = {}
    for name, kind in table.items():
        findings = [finding for finding in found if finding.kind == name]
        by_kind[name] = {
            "what": kind.what,
            "fix": kind.fix,
            "findings": len(findings),
            "records": kinds.records(findings),
        }
    listed = []
    for finding in found:
        places = [str(place) for place in finding.places]
        listed.append({"kind": finding.kind, "message": finding.message, "records": places})
    return {
        "root": str(root),
        "findings": len(found),
        "records": kinds.records(found),
        "kinds": by_kind,
        "classes": balance.counts(data),
        "found": listed,
        "patch": patch,
    }


def _show(root: Path, data: "Data", table: dict[str, "FaultKind"], found: list["Finding"]) -> None:
    if found:
        print_table(_findings_table(root, table, found))
    else:
        click.echo(f"{root}: nothing found of {len(table)} kinds")
    print_table(_classes_table(data))


def _findings_table(root: Path, table: dict[str, "FaultKind"], found: list["Finding"]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from mlubench.data.audit.kinds import records

    shown = Table(title=str(root), title_justify="left", show_lines=True)
    shown.add_column("kind")
    for column in ("findings", "records"):
        shown.add_column(column, justify="right")
    shown.add_column("what, and the first few", overflow="fold")
    totals = Counter(finding.kind for finding in found)
    for name, kind in table.items():
        if not totals[name]:
            continue
        mine = [finding for finding in found if finding.kind == name]
        lines = [f"{kind.what}:", *(f"- {_where(f)}{f.message}" for f in mine[:_SHOWN])]
        if len(mine) > _SHOWN:
            lines.append(f"- and {len(mine) - _SHOWN:,} more; --json lists all")
        title = Text(name)
        if kind.fix:
            title.append(f"\n--fix: {kind.fix}", style="dim")
        shown.add_row(title, f"{len(mine):,}", f"{records(mine):,}", "\n".join(lines))
    return shown


def _where(finding: "Finding") -> str:
    return f"{finding.places[0]} " if finding.places else ""


def _classes_table(data: "Data") -> "Table":
    from rich.table import Table

    from mlubench.data.audit.balance import counts

    shown = Table(title="Classes", title_justify="left")
    shown.add_column("class")
    rows = counts(data)
    columns = list(next(iter(rows.values())))
    for column in columns:
        shown.add_column(column, justify="right")
    for cls, row in rows.items():
        shown.add_row(cls, *(f"{row[column]:,}" for column in columns))
    return shown
