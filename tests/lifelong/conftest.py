"""The finished run that the tests of this folder share, and a context to work in."""

from collections.abc import Callable
from pathlib import Path

import pytest
from runs import Finished, finished_run

from mlubench.config import Config
from mlubench.types import Benchmark


@pytest.fixture(scope="session")
def finished(cache: Path, base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finished_run(tmp_path_factory.getbasetemp() / "finished-run")


@pytest.fixture(scope="module")
def context(smoke_config: Config, benchmark: Benchmark, base_path: Path) -> Callable:
    """Makes a context in a folder, with the module's one base: for tests that mount nothing on it."""
    from mlubench.lifelong.learners import Context
    from mlubench.lifelong.rundir import RunDir
    from mlubench.models.hf import MLLM

    mllm = MLLM.load(base_path, device="cpu")
    mllm.name = base_path.name

    def make(folder: Path, given: Benchmark = benchmark) -> Context:
        return Context(smoke_config, given, mllm, RunDir(folder))

    return make
