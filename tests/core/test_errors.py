"""Errors: one line that says what and what next, and an exit code that tells failure from wrong use."""

import pytest

from mlubench.core.errors import DataError, MlubenchError, UsageError, unknown_name


def test_message_is_what_and_hint() -> None:
    error = MlubenchError("the disk is full", "Free some space.")
    assert str(error) == "the disk is full. Free some space."
    assert (error.what, error.hint) == ("the disk is full", "Free some space.")


def test_message_without_hint_ends_as_it_was_given() -> None:
    assert str(MlubenchError("the disk is full")) == "the disk is full"


@pytest.mark.parametrize("what", ["it is gone.", "did you mean 'x'?", "stop!"])
def test_no_second_mark_stands_after_a_sentence(what: str) -> None:
    assert str(MlubenchError(what, "See the page.")) == f"{what} See the page."


@pytest.mark.parametrize(("kind", "code"), [(MlubenchError, 1), (DataError, 1), (UsageError, 2)])
def test_exit_codes(kind: type[MlubenchError], code: int) -> None:
    assert kind("x").exit_code == code
    assert issubclass(kind, MlubenchError)


def test_unknown_name_suggests_the_nearest() -> None:
    error = unknown_name("method", "lumo", ["ga", "lumoe"])
    assert isinstance(error, UsageError)
    assert str(error) == "unknown method 'lumo'. Did you mean 'lumoe'?"


def test_unknown_name_lists_all_when_nothing_is_near() -> None:
    assert unknown_name("gate", "zzz", iter(["b", "a"])).hint == "Known: a, b."
