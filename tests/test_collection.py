"""Every test that stands in a file is one that pytest runs: none lies in a folder or a class that it passes over."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import REPOSITORY

TESTS = REPOSITORY / "tests"
DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef


def defined(path: Path) -> Iterator[str]:
    """Names of the test functions that a file defines, on their own or in a class, wherever they stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, DEFINITION) and node.name.startswith("test_"):
            yield node.name


def on_disk(folder: Path) -> set[tuple[str, str]]:
    """(file, test) for every test below a folder, whatever its file is called."""
    found = set()
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder.parent).as_posix()
        found |= {(name, test) for test in defined(path)}
    return found


def collected(folder: Path, *options: str) -> set[tuple[str, str]]:
    """(file, test) for every test that `pytest` collects with the project's own settings."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    settings = ["-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(folder.parent)]
    # `-o addopts` leaves out the -q of the settings: with two of them only counts are printed.
    words = [*command, *settings, "-o", "addopts=--import-mode=importlib", *options, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode in (0, 5), done.stdout + done.stderr
    # tests/core/test_files.py::TestClass::test_name[parameters]
    ids = re.findall(r"^([^\s:]+\.py)(?:::\w+)*::(\w+)", done.stdout, flags=re.MULTILINE)
    return set(ids)


def test_every_test_on_disk_is_collected() -> None:
    missed = on_disk(TESTS) - collected(TESTS)
    assert not missed, "never collected"


@pytest.mark.parametrize("place", ["build", ".hidden", "node_modules", "venv"])
def test_a_folder_that_pytest_passes_over_is_noticed(tmp_path: Path, place: str) -> None:
    """The check above can fail: a folder of tests with a name that is passed over is seen on disk alone."""
    hidden = tmp_path / "tests" / ".hidden" if place == ".hidden" else tmp_path / "tests" / place
    hidden.mkdir(parents=True)
    (hidden / "test_lost.py").write_text("def test_lost():\n    pass\n")
    (tmp_path / "tests" / "test_seen.py").write_text("def test_seen():\n    pass\n")
    (tmp_path / "tests" / "helper.py").write_text("def test_in_no_test_file():\n    pass\n")
    found = collected(tmp_path / "tests")
    assert ("tests/test_seen.py", "test_seen") in found
    assert ("tests/helper.py", "test_in_no_test_file") in on_disk(tmp_path / "tests") - found
    lost = (f"tests/{place}/test_lost.py", "test_lost")
    assert lost in on_disk(tmp_path / "tests")
    assert (lost in found) is (place != ".hidden")


def test_a_marker_that_a_test_bears_is_one_that_is_registered() -> None:
    """So that a marked test is one that a command of the Makefile selects or leaves out by name."""
    text = (REPOSITORY / "pyproject.toml").read_text() + (REPOSITORY / "Makefile").read_text()
    own = {"parametrize", "skipif", "skip", "timeout", "usefixtures", "filterwarnings"}
    for path in TESTS.rglob("test_*.py"):
        for marker in set(re.findall(r"pytest\.mark\.(\w+)", path.read_text())) - own:
            assert f'"{marker}:' in text and f'not {marker}"' in text, f"{path.name}: {marker}"
