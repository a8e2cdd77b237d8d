"""The compose file for replicas: its commands are ones that there are, and what it mounts is what they name."""

import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from mlubench.cli.main import cli
from mlubench.requests.settings import RequestSettings

FOLDER = Path(__file__).parents[2] / "examples" / "replicas"
SERVICES = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "mlubench"]


def parsed(words: list[str], command: click.Command = cli) -> dict[str, Any]:
    """The parameters of the last command that the words name. Raises click's errors for what there is not."""
    context = command.make_context(words[0], words[1:])
    if not isinstance(command, click.Group):
        return context.params
    words = [*context._protected_args, *context.args]
    name, below, rest = command.resolve_command(context, words)
    assert name is not None
    assert below is not None
    return parsed([name, *rest], below)


@pytest.mark.parametrize("name", OURS)
def test_commands_are_ones_that_there_are(name: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    words = shlex.split(SERVICES[name]["command"].replace("/srv/mlubench", str(tmp_path)))
    assert words[0] == "mlubench"
    found = parsed(words)
    assert tmp_path / "store" in [Path(str(value)) for value in found.values() if value]
    (mounted,) = SERVICES[name]["volumes"]
    assert mounted.split(":")[:2] == ["./state", "/srv/mlubench"]


def test_only_the_worker_may_write_to_the_store() -> None:
    read_only = {name: SERVICES[name]["volumes"][0].endswith(":ro") for name in OURS}
    assert read_only == {"worker": False, "server": True}


def test_settings_are_ones_that_there_are() -> None:
    values = yaml.safe_load((FOLDER / "settings.yaml").read_text(encoding="utf-8"))
    assert RequestSettings.model_validate(values).ledger == "postgresql://mlubench@ledger/ledger"
