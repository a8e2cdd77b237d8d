"""Importing mlubench and asking for help load nothing heavy, and help is quick."""

import subprocess
import sys

import pytest

from support.paths import EXAMPLES

HEAVY = ("torch", "transformers", "peft", "numpy", "tokenizers", "matplotlib", "PIL", "submitit")
PLAN = ["sweep", str(EXAMPLES / "sweep.yaml"), "--dry-run"]

HELP = """
import sys
from mlubench.cli.main import main
try:
    main(WORDS)
except SystemExit as stop:
    assert not stop.code, stop.code
"""
TELL = "\nimport sys\nprint('LOADED', *sorted(sys.modules))"


def modules(code: str) -> list[str]:
    """The full names of all modules that are loaded once the code has run in a fresh interpreter."""
    words = [sys.executable, "-c", code + TELL]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def loaded(code: str) -> set[str]:
    return {name.split(".")[0] for name in modules(code)}


@pytest.mark.parametrize(
    "code",
    [
        "import mlubench",
        *(
            HELP.replace("WORDS", repr(w))
            for w in (["--help"], ["run", "--help"], ["list", "methods"], PLAN)
        ),
    ],
    ids=["import", "help", "run-help", "list", "plan"],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    found = loaded(code)
    assert "mlubench" in found
    assert not found & set(HEAVY)


def test_the_test_itself_sees_what_is_loaded() -> None:
    assert "numpy" in loaded("import mlubench.statistics.scores")


def test_help_loads_click_and_a_handful_of_our_own_files() -> None:
    """What keeps `mlubench --help` under 0.3 s of CPU time, as a count that no load of the machine changes."""
    names = modules(HELP.replace("WORDS", repr(["--help"])))
    at_start = modules("")
    ours = [name for name in names if name.startswith("mlubench")]
    others = loaded(HELP.replace("WORDS", repr(["--help"]))) - {
        name.split(".")[0] for name in at_start
    }
    assert len(ours) <= 8
    assert others - sys.stdlib_module_names == {"mlubench", "click"}
