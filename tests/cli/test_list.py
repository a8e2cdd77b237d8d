"""`mlubench list`: every name that can be asked for, and what it stands for."""

import json

import pytest

from mlubench.data.formats.table import FORMATS
from mlubench.experiment.table import METHODS
from mlubench.judging.table import JUDGES
from mlubench.lumoe.gates.table import GATES
from mlubench.models.table import MODELS
from mlubench.settings.loading import preset_names
from mlubench.settings.reference import setting_rows
from mlubench.settings.run import Config
from support.runs import call

KINDS = {
    "presets": preset_names(),
    "methods": list(METHODS),
    "gates": list(GATES),
    "judges": list(JUDGES),
    "models": list(MODELS),
    "formats": list(FORMATS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_has_a_line(kind: str) -> None:
    called = call("list", kind)
    assert called.code == 0
    lines = called.out.splitlines()
    assert [line.split()[0] for line in lines] == KINDS[kind]
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_json(kind: str) -> None:
    rows = json.loads(call("list", kind, "--json").out)
    assert [row["name"] for row in rows] == KINDS[kind]
    assert all(row["summary"] for row in rows)


def test_methods_name_their_sources() -> None:
    assert all(row["source"] for row in json.loads(call("list", "methods", "--json").out))


def test_settings_are_told_with_default_and_meaning() -> None:
    rows = {row["name"]: row for row in json.loads(call("list", "settings", "--json").out)}
    assert rows["train.lora.r"]["default"] == "32"
    assert rows["benchmark.kind"]["default"] == '"world"'
    assert rows["benchmark.kind"]["summary"].endswith("One of: world, real, release.")


def test_every_setting_has_a_meaning() -> None:
    rows = setting_rows()
    assert {row.name.split(".")[0] for row in rows} == set(Config.model_fields)
    unexplained = [row.name for row in rows if not row.meaning]
    assert not unexplained
