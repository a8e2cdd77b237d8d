"""The finished run that the tests of the commands share with those of the sequence."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lifelong"))  # where `runs` lies

if TYPE_CHECKING:
    from runs import Finished


@pytest.fixture(scope="session")
def finished(cache: Path, base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> "Finished":
    from runs import finished_run

    return finished_run(tmp_path_factory.getbasetemp() / "finished-run")


@pytest.fixture
def copied(finished: "Finished", tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    from shutil import copytree

    return copytree(finished.folder, tmp_path / "copied")
