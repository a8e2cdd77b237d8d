"""`mlubench ledger`: what was done about deletion requests, and whether anybody has changed it since."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import on_one_line, print_facts
from mlubench.core.errors import MlubenchError, UsageError
from mlubench.ledger.events import Kind

if TYPE_CHECKING:
    from mlubench.ledger.entries import Entry
    from mlubench.ledger.ledger import Ledger
    from mlubench.ledger.verification import Report

LEDGER = click.argument("ledger")
KEYS = click.option(
    "--keys",
    type=PATH,
    envvar="MLUBENCH_LEDGER_KEYS",
    help="The key file; LEDGER.keys.json if not given, or the file that MLUBENCH_LEDGER_KEYS names.",
)


def _examples(*lines: str) -> str:
    return "\b\nExample:\n" + "\n".join(f"  mlubench ledger {line}" for line in lines)


def _open(place: str, keys: Path | None) -> "Ledger":
    try:
        from mlubench.ledger.ledger import Ledger
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return Ledger.open(place, keys=keys, create=False)


def _missing(error: ModuleNotFoundError) -> MlubenchError:
    return MlubenchError(
        f"the {error.name} package is missing", "Run: pip install 'mlubench[requests]'."
    )


@click.group(
    epilog="""\b
Examples:
  mlubench ledger list store/ledger.sqlite --request R-7
  mlubench ledger show store/ledger.sqlite 12
  mlubench ledger export store/ledger.sqlite ledger.jsonl
  mlubench ledger checkpoint store/ledger.sqlite --out monday.json
  mlubench ledger verify ledger.jsonl --anchor monday.json
  mlubench ledger destroy store/ledger.sqlite People/Jane_Doe --actor alice
"""
)
def ledger() -> None:
    """What was done about deletion requests. LEDGER is an SQLite file, or the URL of a PostgreSQL database."""


@ledger.command("list", epilog=_examples("list ledger.sqlite", "list ledger.sqlite --kind active"))
@LEDGER
@click.option("--request", help="Entries of this request alone.")
@click.option("--kind", type=click.Choice(get_args(Kind)), help="Entries of this kind alone.")
@click.option("--subject", help="Entries about this subject alone, such as People/Jane_Doe.")
@click.option("--since", type=click.IntRange(min=0), default=0, help="From this entry on.")
@KEYS
@JSON
def list_entries(
    ledger: str,
    request: str | None,
    kind: Kind | None,
    subject: str | None,
    since: int,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Entries in their order, one line each."""
    opened = _open(ledger, keys)
    entries = list(opened.entries(request=request, kind=kind, subject=subject, since=since))
    facts = {"entries": [entry.model_dump(mode="json") for entry in entries]}
    lines = [_one_line(entry) for entry in entries]
    print_facts(facts, "\n".join(lines) or "no entries", as_json=as_json)


def _one_line(entry: "Entry") -> str:
    event = entry.event
    what = f"{entry.index:>6} {entry.recorded:%Y-%m-%d %H:%M:%S} {event.kind:<10}"
    actor, reason = on_one_line(event.actor), on_one_line(event.reason)
    return f"{what} {event.request:<12} {actor:<12} {reason}".rstrip()


@ledger.command(epilog=_examples("show ledger.sqlite 12", "show ledger.sqlite R-7:active"))
@LEDGER
@click.argument("entry")
@KEYS
@JSON
def show(ledger: str, entry: str, keys: Path | None, as_json: bool) -> None:
    """One entry, by its index or by its event's id, with its details where they can still be read."""
    import json

    opened = _open(ledger, keys)
    found = opened.entry(int(entry) if entry.isdecimal() else entry)
    facts = {**found.model_dump(mode="json"), "details": opened.details(found)}
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    if found.sealed and facts["details"] is None:
        text += "\nIts details can be read no more: the subject's key was destroyed."
    print_facts(facts, text, as_json=as_json)


@ledger.command(epilog=_examples("export ledger.sqlite ledger.jsonl"))
@LEDGER
@click.argument("out", type=PATH)
@KEYS
@JSON
def export(ledger: str, out: Path, keys: Path | None, as_json: bool) -> None:
    """Write all entries into OUT, as JSON lines with a signed checkpoint at the end. Details stay encrypted."""
    opened = _open(ledger, keys)
    from mlubench.ledger.export import write_export

    checkpoint = write_export(opened, out)
    facts = {"file": str(out), **checkpoint.model_dump(mode="json")}
    text = f"{out}: {checkpoint.size} entries, signed by {checkpoint.signer}"
    print_facts(facts, text, as_json=as_json)


@ledger.command(
    epilog=_examples(
        "checkpoint ledger.sqlite --out monday.json",
        "checkpoint ledger.sqlite --out tuesday.json --since monday.json",
    )
)
@LEDGER
@click.option("--out", type=PATH, required=True, help="Where to write it.")
@click.option(
    "--since",
    type=PATH,
    multiple=True,
    help="An earlier one, which this is shown to have grown from.",
)
@KEYS
@JSON
def checkpoint(
    ledger: str, out: Path, since: tuple[Path, ...], keys: Path | None, as_json: bool
) -> None:
    """Sign what the ledger holds now. Keep the file where who keeps the ledger cannot change it: there it is an anchor."""
    opened = _open(ledger, keys)
    if out.exists():
        raise UsageError(
            f"{out} is there already, and may be the only anchor of what the ledger held then",
            "Give --out another name.",
        )
    from mlubench.ledger.checkpoints import (
        CheckpointFile,
        growth_from,
        read_checkpoint,
        write_checkpoint,
    )
    from mlubench.ledger.export import signed_chain

    earlier = [read_checkpoint(path).checkpoint for path in since]
    chain, signed = signed_chain(opened)
    file = CheckpointFile(checkpoint=signed, grew_from=growth_from(chain, earlier))
    write_checkpoint(out, file)
    text = f"{out}: {signed.size} entries, root {signed.root}, signed by {signed.signer}"
    print_facts({"file": str(out), **file.model_dump(mode="json")}, text, as_json=as_json)


@ledger.command(
    epilog=_examples(
        "verify ledger.jsonl --anchor monday.json", "verify evidence.zip", "verify ledger.sqlite"
    )
)
@click.argument("place")
@click.option(
    "--anchor",
    type=PATH,
    multiple=True,
    help="A checkpoint that was kept elsewhere; several may be given.",
)
@click.option("--signer", help="The public key that should have signed, as `checkpoint` prints it.")
@JSON
def verify(place: str, anchor: tuple[Path, ...], signer: str | None, as_json: bool) -> int:
    """Is a ledger, an export, a checkpoint or a bundle of evidence as it was written? Needs no network."""
    try:
        from mlubench.ledger.verifying import verify as verify_place

        report = verify_place(place, anchor, signer)
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    print_facts(_report_facts(report), _report_text(place, report), as_json=as_json)
    return 0 if report.is_whole else 1


def _report_facts(report: "Report") -> dict[str, object]:
    checkpoint = report.checkpoint
    return {
        "whole": report.is_whole,
        "what": report.what,
        "ledger": report.ledger,
        "entries": report.entries,
        "checkpoint": checkpoint.model_dump(mode="json") if checkpoint else None,
        "problems": list(report.problems),
        "shown": list(report.shown) if report.is_whole else [],
        "not_shown": list(report.not_shown),
    }


def _report_text(place: str, report: "Report") -> str:
    if not report.is_whole:
        lines = [f"{place} is NOT whole:", *(f"  {problem}" for problem in report.problems)]
        return "\n".join(lines)
    # A checkpoint holds none. How many it signs for is among what it shows.
    entries = "" if report.what == "checkpoint" else f", {report.entries} entries"
    lines = [f"{place} is whole ({report.what}{entries}). Shown:"]
    lines += [f"  {line}" for line in report.shown]
    if report.not_shown:
        lines += ["Not shown:", *(f"  {line}" for line in report.not_shown)]
    return "\n".join(lines)


@ledger.command(
    epilog=_examples('destroy ledger.sqlite People/Jane_Doe --actor alice --reason "her wish"')
)
@LEDGER
@click.argument("subject")
@click.option("--actor", required=True, help="Who does it; it is recorded.")
@click.option("--reason", default="", help="Why; it is recorded, and must not name the subject.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--store",
    metavar="RUN|STORE",
    type=PATH,
    help="Where deletion requests lie that the ledger tells of, where it does not lie there itself.",
)
@KEYS
@JSON
def destroy(
    ledger: str,
    subject: str,
    actor: str,
    reason: str,
    yes: bool,
    store: Path | None,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Destroy SUBJECT's key: its details can be read no more, by nobody. The chain stays valid.

    What ended deletion requests about SUBJECT have left is deleted too. While one has not ended, nothing is destroyed.
    """
    opened = _open(ledger, keys)
    if not yes and not sys.stdin.isatty():
        raise UsageError("a destroyed key cannot be made again", "Say that it is meant: --yes.")
    if not yes:
        click.confirm(f"Destroy the key of {subject}? This cannot be undone.", abort=True, err=True)
    from mlubench.requests.forgetting import destroy_subject
    from mlubench.requests.place import Place

    place = Place(store) if store is not None else None
    entry = destroy_subject(opened, subject, actor=actor, reason=reason, place=place)
    text = f"the key is destroyed (entry {entry.index}); copies of the database elsewhere still hold it"
    print_facts({"entry": entry.model_dump(mode="json")}, text, as_json=as_json)
