"""`mlubench keys`: who may ask a server."""

from pathlib import Path

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_facts
from mlubench.serving.keys import Scope, add_key, read_keys, remove_key

FILE = click.argument("file", type=PATH)


def _example(line: str) -> str:
    return f"\b\nExample:\n  mlubench keys {line}"


@click.group(
    epilog="""\b
Examples:
  mlubench keys add keys.json alice                  prints the key, once
  mlubench keys add keys.json ops --scope admin
  mlubench keys list keys.json
  mlubench keys remove keys.json alice               a server that runs takes it no more
"""
)
def keys() -> None:
    """Keys of `mlubench serve`, kept as hashes in a file."""


@keys.command(epilog=_example("add keys.json alice --per-minute 60"))
@FILE
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["user", "admin"]),
    default="user",
    show_default=True,
    help="An admin is told routes and figures too.",
)
@click.option(
    "--per-minute",
    type=click.IntRange(min=1),
    help="Requests that it may make; no limit if left out.",
)
@JSON
def add(file: Path, name: str, scope: Scope, per_minute: int | None, as_json: bool) -> None:
    """Make a key called NAME and print it. It is kept nowhere."""
    key = add_key(file, name, scope, per_minute)
    print_facts({"name": name, "scope": scope, "key": key}, key, as_json=as_json)


@keys.command("list", epilog=_example("list keys.json"))
@FILE
@JSON
def list_keys(file: Path, as_json: bool) -> None:
    """The names and scopes of the keys in FILE."""
    rows = read_keys(file).keys
    facts = [row.model_dump(exclude={"sha256"}) for row in rows]
    lines = []
    for row in rows:
        often = f"{row.per_minute} a minute" if row.per_minute else "no limit"
        lines.append(f"{row.scope:<6} {row.name:<24} {often:<16} since {row.created}")
    print_facts({"keys": facts}, "\n".join(lines) or "no keys", as_json=as_json)


@keys.command(epilog=_example("remove keys.json alice"))
@FILE
@click.argument("name")
@JSON
def remove(file: Path, name: str, as_json: bool) -> None:
    """Take the key called NAME out of FILE."""
    remove_key(file, name)
    print_facts({"removed": name}, f"{name} is removed", as_json=as_json)
