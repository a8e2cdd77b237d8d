"""`mlubench judge RUN` as it always was, and the commands that ask how far judges can be believed."""

from importlib import import_module
from typing import Any

import click

from mlubench.cli.judge import judge as by_judges

# name -> (module:attribute, summary): so that judging a run imports neither.
COMMANDS = {
    "agreement": ("judge_agreement:agreement", "How far judges agree with each other and with people."),
    "label": ("judge_label:label", "Score sampled answers by hand, blind to method and archive."),
}


class JudgeGroup(click.Group):
    """A group whose first word may also be a run. A run that is called like a command is given as `./label`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(f"mlubench.cli.{module}"), attribute)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] in COMMANDS:
            command = self.get_command(click.Context(self), args[0])
            assert command is not None
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        if {"--help", "-h"} & set(args):
            return super().make_context(info_name, args, parent, **extra)
        return by_judges.make_context(info_name, args, parent, **extra)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands, in the place of RUN"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


judge = JudgeGroup(
    "judge", params=by_judges.params, help=by_judges.help, epilog=by_judges.epilog, subcommand_metavar=""
)
