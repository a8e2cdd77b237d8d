"""What the tests share: one cached tiny LLaVA, the world it knows, and a fresh load of it for each test that asks."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.settings import loading as settings
from mlubench.settings.run import Config
from mlubench.types import Benchmark
from support.paths import REPOSITORY
from support.runs import Finished, make_finished_run, read_finished_run
from support.shared import WORKER, session_folder

# torch, transformers and all that stands on them are imported inside the fixtures: most tests need none of them.

if WORKER in os.environ:
    # The workers share the cores: one thread each, and in the processes that tests start. torch reads it when imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is there before the first test: modules and the tests, which stay to the end.

    transformers' Trainer has it look at everything after each training. Of 800,000 objects that took half a second.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def cache() -> Iterator[Path]:
    """Where drawn worlds and trained bases lie. Never the user's own cache.

    It is kept between runs because the base takes most of a minute to train; its folder is named by the hash of all that
    made it, so a base of older code is never taken. `make clean` removes it, and a MLUBENCH_CACHE that is already set wins.
    """
    folder = Path(os.environ.get("MLUBENCH_CACHE") or REPOSITORY / ".mlubench-test-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLUBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def smoke_config() -> Config:
    """The smoke preset on the CPU, since tests compare bit for bit."""
    return settings.load("smoke", ["device=cpu"])


@pytest.fixture(scope="session")
def whole_benchmark(cache: Path, smoke_config: Config) -> Benchmark:
    """All four tasks of the smoke world: what its base has learned."""
    from mlubench.experiment.prepare import open_benchmark

    return open_benchmark(smoke_config)


@pytest.fixture(scope="session")
def benchmark(whole_benchmark: Benchmark, smoke_config: Config) -> Benchmark:
    """The tasks of the smoke run, in its order: A and B."""
    from mlubench.experiment.prepare import unlearned_part

    return unlearned_part(whole_benchmark, smoke_config.benchmark)


@pytest.fixture(scope="session")
def base_path(cache: Path, smoke_config: Config, whole_benchmark: Benchmark) -> Path:
    """The folder of the smoke base, trained now unless the cache has it.

    By two threads, whatever else has one: their number changes the last digits of the weights, and scores are pinned.
    """
    import torch

    from mlubench.models.toy.base import toy_base

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return toy_base(smoke_config.model.toy, whole_benchmark, device="cpu", progress=False)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def base_first(request: pytest.FixtureRequest) -> None:
    """Of several workers, none has a test of its own make the base otherwise."""
    if WORKER in os.environ:
        request.getfixturevalue("base_path")


@pytest.fixture
def load_base(base_path: Path):
    """Makes as many fresh, untouched bases as a test wants, named as a run names them."""
    from mlubench.models.mllm import MLLM

    def load() -> MLLM:
        mllm = MLLM.load(base_path, device="cpu")
        mllm.name = base_path.name
        return mllm

    return load


@pytest.fixture
def mllm(load_base: Callable):
    """A fresh, untouched base: tests mount adapters on it and train it as they like."""
    return load_base()


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's model, made when first asked for."""
    from support.families import save_family

    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = save_family(name, tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture(scope="session")
def finished(cache: Path, base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One finished smoke run, made by the command as users make it; no test may change it."""
    return read_finished_run(session_folder(tmp_path_factory, "finished", make_finished_run))


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return copytree(finished.folder, tmp_path / "copied")


@pytest.fixture(scope="module")
def context(smoke_config: Config, benchmark: Benchmark, base_path: Path) -> Callable:
    """Makes a context in a folder, with the module's one base: for tests that mount nothing on it."""
    from mlubench.experiment.context import Context
    from mlubench.models.mllm import MLLM
    from mlubench.runs.folder import RunDir

    mllm = MLLM.load(base_path, device="cpu")
    mllm.name = base_path.name

    def make(folder: Path, given: Benchmark = benchmark) -> Context:
        return Context(smoke_config, given, mllm, RunDir(folder))

    return make


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Points the client of endpoints at an address on this machine, whatever the environment says."""

    def point(address: str) -> None:
        for name, value in (("BASE_URL", address), ("API_KEY", "secret")):
            monkeypatch.setenv(f"OPENAI_{name}", value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    return point
