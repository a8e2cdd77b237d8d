"""Help: every command says what it does, with an example to copy."""

import click
import pytest

from mlubench.cli.data.group import data
from mlubench.cli.experts.group import experts
from mlubench.cli.judge.group import COMMANDS as JUDGE_COMMANDS
from mlubench.cli.keys import keys
from mlubench.cli.ledger import ledger
from mlubench.cli.main import COMMANDS, cli
from mlubench.cli.parts import parts
from support.runs import call

HELPS = (
    [(name,) for name in COMMANDS]
    + [(g.name, name) for g in (data, experts, keys, ledger, parts) for name in g.commands]
    + [("judge", name) for name in JUDGE_COMMANDS]
)


def test_help_lists_every_command() -> None:
    called = call("--help")
    assert called.code == 0
    assert all(name in called.out for name in COMMANDS)
    assert "mlubench run smoke" in called.out


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    called = call(*words, "--help")
    assert called.code == 0
    assert "Example" in called.out
    assert f"  mlubench {' '.join(words)}" in called.out.partition("Example")[2]
    assert called.err == ""


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_every_option_and_command_says_what_it_does(words: tuple[str, ...]) -> None:
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    assert command.help
    if len(words) == 1:
        assert COMMANDS[words[0]][1]


def test_commands_that_print_facts_have_json() -> None:
    groups = (
        ("data",),
        ("experts",),
        ("keys",),
        ("ledger",),
        ("model",),
        ("parts",),
        ("request",),
    )
    for words in [w for w in HELPS if w not in groups]:
        assert "--json" in call(*words, "--help").out
