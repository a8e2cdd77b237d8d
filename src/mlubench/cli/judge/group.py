"""`mlubench judge RUN` as it always was, and the commands that ask how far judges can be believed."""

from typing import Any

import click

from mlubench.cli.judge.judge import judge as by_judges
from mlubench.cli.lazy import LazyCommand, LazyGroup

# Judging a run imports neither.
COMMANDS = {
    "agreement": LazyCommand(
        "judge.agreement:agreement",
        "How far judges agree with each other and with people.",
    ),
    "label": LazyCommand(
        "judge.label:label", "Score sampled answers by hand, blind to method and archive."
    ),
}


class JudgeGroup(LazyGroup):
    """A group whose first word may also be a run. A run that is called like a command is given as `./label`."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if args and args[0] in COMMANDS:
            command = self.get_command(click.Context(self), args[0])
            assert command is not None
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        # Help is that of the group, which lists the commands too.
        if {"--help", "-h"} & set(args):
            return super().make_context(info_name, args, parent, **extra)
        return by_judges.make_context(info_name, args, parent, **extra)


judge = JudgeGroup(
    "judge",
    commands_at=COMMANDS,
    heading="Commands, in the place of RUN",
    # What help shows is that of `judge RUN`, with the commands below it.
    params=by_judges.params,
    help=by_judges.help,
    epilog=by_judges.epilog,
    subcommand_metavar="",
)
