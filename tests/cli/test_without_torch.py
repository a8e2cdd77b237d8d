"""Commands that only read, judge by rules or draw load no torch: they work where no model could run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.runs import Finished

MODELS = {"torch", "transformers", "peft", "accelerate"}
# The last line names the packages that are loaded once the command is done.
PROGRAM = """
import sys
from mlubench.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert not stop.code, stop.code
print()
print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def packages_loaded_by(*words: object) -> set[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("kind", ["presets", "methods", "gates", "judges", "models"])
def test_list(kind: str) -> None:
    assert not packages_loaded_by("list", kind) & MODELS


def test_status(finished: Finished) -> None:
    assert not packages_loaded_by("status", finished.folder) & MODELS


def test_report(copied: Path) -> None:
    loaded = packages_loaded_by("report", copied)
    assert "rich" in loaded  # it did draw
    assert not loaded & MODELS


def test_judging_by_rules(copied: Path) -> None:
    before = (copied / "results.json").read_bytes()
    shutil.rmtree(copied / "verdicts" / "rules")  # so that there is something to judge
    loaded = packages_loaded_by("judge", copied, "--judge", "rules")
    assert (copied / "results.json").read_bytes() == before
    assert not loaded & MODELS


def test_opening_a_run_from_python(finished: Finished) -> None:
    program = (
        "import sys, mlubench; run = mlubench.open_run(sys.argv[1]); assert run.results().cells;"
        "print(*sys.modules)"
    )
    words = [sys.executable, "-c", program, str(finished.folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & MODELS


def test_data_stats(tmp_path: Path) -> None:
    from mlubench.data.world import write_world

    write_world(0, tmp_path / "world", entities=24, pictures=10)
    assert not packages_loaded_by("data", "stats", tmp_path / "world") & MODELS


def test_ledger(tmp_path: Path) -> None:
    from support.ledgers import filled

    filled(tmp_path / "ledger.sqlite", requests=1)
    loaded = packages_loaded_by("ledger", "verify", tmp_path / "ledger.sqlite")
    assert "sqlalchemy" in loaded
    assert not loaded & MODELS


def test_the_test_itself_sees_torch() -> None:
    program = "import torch, sys; print({name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "'torch'" in done.stdout


def test_looking_at_requests(copied: Path) -> None:
    assert not packages_loaded_by("request", "list", "--store", copied) & MODELS
