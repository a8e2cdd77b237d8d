"""Every name in the tables leads to something that is there and is what its table promises."""

from typing import get_args

import pytest

from mlubench.core.errors import UsageError
from mlubench.core.tables import Entry, Table
from mlubench.experiment.table import METHODS
from mlubench.judging.table import JUDGES
from mlubench.lumoe.gates.table import GATES
from mlubench.models.table import MODELS
from mlubench.unlearning.methods.base import AnswerKind
from mlubench.unlearning.table import LOSSES

TABLES = {"method": METHODS, "gate": GATES, "judge": JUDGES, "model": MODELS}
ROWS = [(kind, name) for kind, table in TABLES.items() for name in table]


@pytest.mark.parametrize(("kind", "name"), ROWS, ids=[f"{k}-{n}" for k, n in ROWS])
def test_row_resolves(kind: str, name: str) -> None:
    assert callable(TABLES[kind].resolve(name))
    assert TABLES[kind][name].summary


def test_methods_of_the_contract_are_there() -> None:
    assert {"ga", "gd", "kl", "npo", "po", "dpo", "lumoe"} <= set(METHODS)


@pytest.mark.parametrize("name", [n for n in METHODS if n != "lumoe"])
def test_loss_methods_say_what_they_need(name: str) -> None:
    method = METHODS.resolve(name)
    assert set(method.needs) <= set(get_args(AnswerKind))
    assert set(method.reference) <= set(method.needs)


@pytest.mark.parametrize("name", JUDGES)
def test_judges_know_their_own_name(name: str) -> None:
    if "<" not in name:
        assert JUDGES.resolve(name)([]).name == name


def test_a_name_with_an_argument_is_found_by_its_beginning() -> None:
    row, argument = JUDGES.row("openai:org/model:free")
    assert (row, argument) == (JUDGES["openai:<model>"], "org/model:free")
    for wrong in ("openai", "openai:", "rules:x", "local:", "other:x"):
        with pytest.raises(UsageError):
            JUDGES.row(wrong)


@pytest.mark.parametrize("name", GATES)
def test_gates_know_their_own_name(name: str) -> None:
    assert GATES.resolve(name)().name == name


def test_unknown_row_suggests() -> None:
    with pytest.raises(UsageError, match="Did you mean 'prototype'"):
        GATES.resolve("prototyp")


@pytest.mark.parametrize(
    "target", ["no_such_module:Thing", "mlubench.types:NoSuchThing", "mlubench.types"]
)
def test_a_row_that_leads_nowhere_is_one_line_with_its_name(target: str) -> None:
    table = Table("gate", {"far": Entry(target, "leads nowhere")})
    with pytest.raises(UsageError, match="gate 'far' cannot be loaded from") as caught:
        table.resolve("far")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a/b", "../up", "a b", ".hidden", "lumoe+oracle", "x:y"])
def test_a_name_that_no_folder_can_bear_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a gate"):
        Table("gate", {}).register(name, dict)


def test_a_name_is_taken_once_but_may_be_registered_again() -> None:
    """A notebook's cell is run again; a row of ours, or a reserved name, is never replaced."""
    table = Table("method", {"ga": Entry("mlubench.types:Cell", "ours")}, reserved=["base"])
    table.register("mine", dict)
    table.register("mine", list)
    assert table.resolve("mine") is list
    for taken in ("ga", "base"):
        with pytest.raises(UsageError, match="there already"):
            table.register(taken, dict)
    with pytest.raises(UsageError, match="is a int"):
        table.register("number", 3)


@pytest.mark.parametrize("name", ["lumoe", "base"])
def test_what_a_run_calls_otherwise_is_no_loss(name: str) -> None:
    with pytest.raises(UsageError, match="there already"):
        LOSSES.register(name, dict)
