"""`mlubench data review`: a person looks at what a build made, on a local page or in a spreadsheet."""

from collections import Counter
from pathlib import Path

import click

from mlubench.cli.options import PATH
from mlubench.cli.output import print_facts


@click.command(
    epilog="""\b
Examples:
  mlubench data review built                            a page on this machine; everything works by keyboard
  mlubench data review built --export items.csv         for a spreadsheet
  mlubench data review built --import items.csv         what was changed there; nothing is half taken
  mlubench data review built --json                     how many items wait

Then build again: `mlubench data build SPEC.yaml --out built`.
"""
)
@click.argument("folder", type=PATH, metavar="DIR")
@click.option(
    "--who", help="Your name, kept beside each verdict; the system's name for you if not given."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Of the page; a free one if not given."
)
@click.option(
    "--export",
    "out",
    type=PATH,
    metavar="FILE",
    help="Write all items as CSV and stop.",
)
@click.option(
    "--import",
    "given",
    type=PATH,
    metavar="FILE",
    help="Take over a CSV and stop.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print how many items have which verdict, and stop."
)
def review(
    folder: Path, who: str | None, port: int, out: Path | None, given: Path | None, as_json: bool
) -> None:
    """Accept, edit or reject the items of the build in DIR."""
    from getpass import getuser

    from mlubench.authoring.review import page, spreadsheet
    from mlubench.authoring.review.session import ReviewSession
    from mlubench.authoring.review.verdicts import LOG, append_to_log
    from mlubench.authoring.rows import ItemRow, read_rows
    from mlubench.core.errors import UsageError
    from mlubench.runs.folder import RunDir

    path = folder / "items.jsonl"
    if not path.is_file():
        raise UsageError(
            f"{path} does not exist",
            "Build it: `mlubench data build SPEC.yaml --out DIR --until items`.",
        )
    with RunDir(folder).lock():
        items = read_rows(path, ItemRow)
        session = ReviewSession(folder, items, who or getuser())
        if given:
            now = session.now().isoformat(timespec="seconds")
            changes = spreadsheet.read_csv(given, session.reviewed(), who=session.who, when=now)
            append_to_log(folder / LOG, changes)
            # Reads the log anew.
            session = ReviewSession(folder, items, session.who)
        if out:
            spreadsheet.write_csv(out, session.reviewed())
        if not (out or given or as_json):
            page.serve(
                session,
                port=port,
                ready=lambda address: click.echo(f"Open {address} (Ctrl+C ends)"),
            )
        counts: dict[str, int] = dict(Counter(item.verdict for item in session.reviewed()))
    text = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
    print_facts(counts, text, as_json=as_json)
