"""`mlubench experts`: what a store of experts holds, whether it is whole, and what counts. No model is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.experts.consolidate import consolidate, prune
from mlubench.cli.experts.store import open_store
from mlubench.cli.options import EXPERT, JSON, PATH, STORE
from mlubench.cli.output import print_facts, print_json

if TYPE_CHECKING:
    from mlubench.lumoe.experts.store import ExpertVersion, VerifiedVersion
    from mlubench.runs.manifest import CarriedScore


def _example(*lines: str) -> str:
    return "\b\nExample:\n" + "\n".join(f"  mlubench experts {line}" for line in lines)


def _birth_scores(path: Path, expert: str, version: int) -> "list[CarriedScore] | None":
    """Scores at birth of what a run has made itself, from its results; its archives are older than they."""
    from mlubench.judging.scoring import birth_scores
    from mlubench.runs.folder import RunDir

    if version != 1 or not RunDir(path).config_file.is_file():
        return None
    cells = birth_scores(path, expert)
    return [cell.as_json() for cell in cells] if cells else None


@click.group(
    epilog="""\b
Examples:
  mlubench experts list runs/toy
  mlubench experts verify runs/toy
  mlubench experts disable runs/toy A
  mlubench experts export runs/toy A a.tar
  mlubench experts import store a.tar
  mlubench experts consolidate runs/toy --into 2
"""
)
def experts() -> None:
    """The experts of a run or of a folder. Their folders never change; store.json says which of them count."""


@experts.command("list", epilog=_example("list runs/toy", "list runs/toy --json"))
@STORE
@JSON
def list_experts(store: Path, as_json: bool) -> None:
    """Every version of every expert, from its manifest; the history of changes too with --json."""
    opened = open_store(store)
    rows = []
    for row in opened.listing():
        # An imported expert brings its scores along in its manifest.
        if not row["scores"]:
            row["scores"] = _birth_scores(store, row["expert"], row["version"])
        rows.append(row)
    if as_json:
        facts = {"store": str(opened.root), "experts": rows, "unfinished": opened.unfinished()}
        print_json({**facts, "history": opened.history()})
        return
    for row in rows:
        click.echo(_expert_line(row))
    for folder in opened.unfinished():
        click.echo(f"{folder}: never finished, not an expert")


def _expert_line(row: "ExpertVersion") -> str:
    marks = ["current" if row["current"] else "kept", "on" if row["enabled"] else "disabled"]
    if row["merged_into"]:
        marks.append(f"merged into {row['merged_into']}")
    if row["members"]:
        marks.append(f"made of {', '.join(row['members'])}")
    # None where it is not merged: then there was nothing to measure.
    if row["measured"] is False:
        marks.append("unmeasured")
    if row["pruned"]:
        marks.append("pruned")
    entities = ", ".join(row["entities"] or ["entities not said"])
    line = f"{row['expert']} version {row['version']} ({', '.join(marks)}): {entities}"
    if row["missing"]:
        line += f"; older manifest, lacks {', '.join(row['missing'])}"
    return line


@experts.command(epilog=_example("verify runs/toy", "verify runs/toy A B --json"))
@STORE
@click.argument("names", nargs=-1)
@JSON
@click.pass_context
def verify(ctx: click.Context, store: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Check every file of every version, or of the experts named. Exit code 1 where something is wrong."""
    rows = open_store(store).verify(list(names))
    wrong = sum(row["wrong"] is not None for row in rows)
    if as_json:
        print_json({"ok": not wrong, "wrong": wrong, "experts": rows})
    else:
        for row in rows:
            click.echo(_verified_line(row))
    ctx.exit(1 if wrong else 0)


def _verified_line(row: "VerifiedVersion") -> str:
    state = "whole"
    if row["pruned"]:
        state = "whole, but for its weights, which were pruned"
    if row["missing"]:
        state = f"whole; older manifest, lacks {', '.join(row['missing'])}"
    version = f" version {row['version']}" if row["version"] else ""
    return f"{row['expert']}{version}: {row['wrong'] or state}"


@experts.command(epilog=_example("disable runs/toy A"))
@STORE
@EXPERT
@JSON
def disable(store: Path, name: str, as_json: bool) -> None:
    """Switch expert NAME off. What needs it is then refused, and not answered by the base in its place."""
    changed = open_store(store).disable(name)
    text = f"expert {name} is {'now' if changed else 'already'} disabled: queries that need it are refused"
    print_facts({"expert": name, "enabled": False, "changed": changed}, text, as_json=as_json)


@experts.command(epilog=_example("enable runs/toy A"))
@STORE
@EXPERT
@JSON
def enable(store: Path, name: str, as_json: bool) -> None:
    """Switch expert NAME on again, once its files are checked."""
    changed = open_store(store).enable(name)
    text = f"expert {name} is {'now' if changed else 'already'} on"
    print_facts({"expert": name, "enabled": True, "changed": changed}, text, as_json=as_json)


@experts.command(
    epilog=_example(
        "rollback store A",
        "rollback store A --to 2           undoes it",
        "rollback store merged+1           what it was made of counts again",
        "rollback store merged+1 --to 1    undoes that",
    )
)
@STORE
@EXPERT
@click.option(
    "--to",
    type=click.IntRange(min=1),
    help="The version to make current; the one before it if not given.",
)
@JSON
def rollback(store: Path, name: str, to: int | None, as_json: bool) -> None:
    """Make another version of expert NAME the current one, or undo a consolidation. No version is lost by it."""
    from mlubench.lumoe.experts.merging import roll_back

    opened = open_store(store)
    before = opened.current(name) if to is None else None
    version = roll_back(opened, name, to)
    # Whoever gave --to knows which version it was before.
    undo = f"; `--to {before}` undoes it" if before and before != version else ""
    # No version is left where a merged expert is undone.
    now = "makes way for the experts that it was made of"
    if version:
        now = f"is now at version {version}"
    print_facts({"expert": name, "version": version}, f"expert {name} {now}{undo}", as_json=as_json)


@experts.command("export", epilog=_example("export runs/toy A a.tar", "export store A --version 1"))
@STORE
@EXPERT
@click.argument("out", type=PATH, required=False)
@click.option("--version", type=click.IntRange(min=1), help="The current one if not given.")
@JSON
def export_one(
    store: Path, name: str, out: Path | None, version: int | None, as_json: bool
) -> None:
    """Write expert NAME as one tar file, OUT or NAME-VERSION-HASH.tar here. Equal experts give equal bytes."""
    from mlubench.core.files import file_sha256
    from mlubench.lumoe.experts.export import default_name, export_expert

    opened = open_store(store)
    path = out or Path(default_name(opened, name, version))
    scores = _birth_scores(store, name, version or opened.current(name))
    number = export_expert(opened, name, path, version, scores=scores)
    facts = {"expert": name, "version": number, "file": str(path), "sha256": file_sha256(path)}
    print_facts(
        facts,
        f"expert {name}, version {number}: {path}, SHA-256 {facts['sha256']}",
        as_json=as_json,
    )


@experts.command("import", epilog=_example("import store a.tar"))
@STORE
@click.argument("file", type=PATH)
@JSON
def import_one(store: Path, file: Path, as_json: bool) -> None:
    """Take the expert in FILE in as the current version, once every byte is checked. A store that is not there is made."""
    from mlubench.lumoe.experts.export import import_expert

    opened = open_store(store, new=True)
    name, version = import_expert(opened, file)
    # An import replaces the weights, not the owner's decision to switch the expert off.
    enabled = opened.enabled(name)
    disabled = "" if enabled else ", and disabled as before"
    text = f"expert {name} is now at version {version}{disabled}"
    print_facts({"expert": name, "version": version, "enabled": enabled}, text, as_json=as_json)


experts.add_command(consolidate)
experts.add_command(prune)
