"""Importing mlubench and asking for help load nothing heavy, and help is quick."""

import os
import subprocess
import sys

import pytest

from support.paths import EXAMPLES

HEAVY = ("torch", "transformers", "peft", "numpy", "tokenizers", "matplotlib", "PIL", "submitit")
PLAN = ["sweep", str(EXAMPLES / "sweep.yaml"), "--dry-run"]
LIMIT = 0.3  # seconds of CPU time

HELP = """
import sys
from mlubench.cli.main import main
try:
    main(WORDS)
except SystemExit as stop:
    assert not stop.code, stop.code
"""
TELL = "\nimport sys\nprint('LOADED', *sorted({m.split('.')[0] for m in sys.modules}))"


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code + TELL], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


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


def cpu_seconds(words: list[str]) -> float:
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL) as child:
        _, code, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(code)
    assert child.returncode == 0
    return used.ru_utime + used.ru_stime


def test_help_is_quick() -> None:
    assert min(cpu_seconds(["-m", "mlubench", "--help"]) for _ in range(3)) < LIMIT
