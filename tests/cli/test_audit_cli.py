"""`mlubench audit` on the command line: what goes together, and what is refused before anything is opened."""

from pathlib import Path

import pytest

from support.runs import call


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--references --oracle", "--references and --oracle are measured one at a time"),
        ("--oracle --lmms-eval pope", "--oracle and --lmms-eval are measured one at a time"),
        ("--references --systems lumoe", "--systems does not go with --references"),
        # A release would seem to keep a bound that nothing was held against.
        ("--oracle --fail-if leak>0", "--fail-if does not go with --oracle"),
        ("--lmms-eval pope --fail-if leak>0", "--fail-if does not go with --lmms-eval"),
        ("--lmms-eval pope --facts 3", "--facts does not go with --lmms-eval"),
        ("--no-floor", "--no-floor needs --oracle"),
        ("--lmms-limit 3", "--lmms-limit needs --lmms-eval"),
        ("--lmms-include .", "--lmms-include needs --lmms-eval"),
        ("--quick --facts 3", "--facts and --quick"),
    ],
)
def test_what_does_not_go_together_is_refused(words: str, said: str, tmp_path: Path) -> None:
    called = call("audit", tmp_path, *words.split())
    assert called.code == 2
    assert said in called.error


@pytest.mark.parametrize("option", ["--attacks", "--systems", "--lmms-eval"])
@pytest.mark.parametrize("names", ["", " ", ",", " , "])
def test_a_list_without_a_name_does_not_stand_for_all(
    option: str, names: str, tmp_path: Path
) -> None:
    called = call("audit", tmp_path, option, names)
    assert called.code == 2
    assert f"'{option}': give at least one name" in called.error
