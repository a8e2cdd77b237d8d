"""`mlubench list`: every name that can be asked for, and what it stands for."""

import json

import pytest
from runs import call

from mlubench import registry
from mlubench.config import preset_names

KINDS = {
    "presets": preset_names(),
    "methods": list(registry.METHODS),
    "gates": list(registry.GATES),
    "judges": list(registry.JUDGES),
    "models": list(registry.MODELS),
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
