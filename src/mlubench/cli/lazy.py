"""A group of commands that are imported only when they are called, so that help stays fast."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class LazyCommand(NamedTuple):
    """Where a command lies, and what help says of it."""

    # module:attribute in mlubench.cli
    target: str
    # Given here, since click would import every command to ask it.
    summary: str


class LazyGroup(click.Group):
    """A group that knows its commands by name; `heading` stands above them in help."""

    def __init__(
        self,
        *args: Any,
        commands_at: Mapping[str, LazyCommand],
        heading: str = "Commands",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.commands_at = commands_at
        self.heading = heading

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        # None is how click says that there is no such command.
        if name not in self.commands_at:
            return None
        module, _, attribute = self.commands_at[name].target.partition(":")
        command: click.Command = getattr(import_module(f"mlubench.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(self.heading):
            rows = [(name, command.summary) for name, command in self.commands_at.items()]
            formatter.write_dl(rows)
