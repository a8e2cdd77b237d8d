"""A run whose store takes requests, and an entity of its world that no expert has in charge."""

from pathlib import Path
from shutil import copytree

import pytest

from mlubench.types import Benchmark
from support.requests import ENTITY, active_desk
from support.runs import Finished


@pytest.fixture(scope="session")
def sent(whole_benchmark: Benchmark) -> Path:
    """Pictures of the entity, as somebody sends them."""
    return whole_benchmark.image_root / "downloaded_images" / ENTITY.key


@pytest.fixture
def place(finished: Finished, tmp_path: Path) -> Path:
    """A run without answers, so that its copy is small."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.yaml", "run.json", "know.json"):
        (folder / name).write_bytes((finished.folder / name).read_bytes())
    copytree(finished.folder / "models" / "lumoe", folder / "models" / "lumoe")
    return folder


@pytest.fixture
def desk(place: Path, mllm):
    """The desk of that run, with a base at hand."""
    from mlubench.requests.desk import Desk

    return Desk.open(place, mllm)


@pytest.fixture(scope="session")
def active(
    finished: Finished, sent: Path, base_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    """The desk of a run with one active request. No test may change it."""
    from mlubench.models.mllm import MLLM

    mllm = MLLM.load(base_path, device="cpu")
    mllm.name = base_path.name
    folder = copytree(finished.folder, tmp_path_factory.mktemp("active") / "run")
    return active_desk(folder, sent, mllm)
