"""A group of commands that are imported only when they are called, so that help stays fast."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    def __init__(
        self,
        *args: Any,
        commands_at: Mapping[
            str, tuple[str, str]
        ],  # name -> (module:attribute in mlubench.cli, summary)
        heading: str = "Commands",  # stands above the commands in help
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.commands_at = commands_at
        self.heading = heading

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.commands_at:
            return None
        module, _, attribute = self.commands_at[name][0].partition(":")
        command: click.Command = getattr(import_module(f"mlubench.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(self.heading):
            # The summaries are given beforehand: click would import every command to ask it.
            rows = [(name, summary) for name, (_, summary) in self.commands_at.items()]
            formatter.write_dl(rows)
