"""A whole run shared by two processes comes to what one process comes to."""

import json
from pathlib import Path

import pytest
import torch
from runs import PRESET, call
from safetensors.torch import load_file

from mlubench.artifacts import read_json
from mlubench.types import Benchmark
from processes import torchrun

# Batches of 3 leave one process with fewer items than the other, and at times with none.
SMALL = (*PRESET, "-s", "methods=[gd, kl, npo, lumoe]", "-s", "train.batch=3", "-s", "train.epochs=1",
         "-s", "evaluate.limit=6", "-s", "evaluate.batch=4", "-s", "benchmark.order=[A]")  # fmt: skip


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory, base_path: Path) -> tuple[Path, Path]:
    """The same run by one process, and by two."""
    one, two = tmp_path_factory.mktemp("processes") / "one", tmp_path_factory.mktemp("processes") / "two"
    assert call("run", *SMALL, "--out", one).code == 0
    done = torchrun("-m", "mlubench", "run", *SMALL, "--out", two)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Forget quality (") == 1, "only one process speaks"
    return one, two


@pytest.mark.parametrize("method", ["gd", "kl", "npo", "lumoe"])
def test_losses_and_adapters_are_those_of_one_process(
    roots: tuple[Path, Path], benchmark: Benchmark, method: str
) -> None:
    alone, shared = (root / "models" / method / "A" for root in roots)
    facts = [read_json(folder / "manifest.json")["train"] for folder in (alone, shared)]
    assert facts[0]["steps"] == facts[1]["steps"]
    for name in ("first_loss", "last_loss"):
        assert facts[1][name] == pytest.approx(facts[0][name], rel=1e-4)
    one, two = (load_file(folder / "adapter_model.safetensors") for folder in (alone, shared))
    assert one.keys() == two.keys()
    assert max((one[k] - two[k]).abs().max() for k in one) < 1e-3 * max(x.abs().max() for x in one.values())


def test_answers_and_scores_are_those_of_one_process(roots: tuple[Path, Path]) -> None:
    one, two = roots
    files = sorted(f.relative_to(one) for f in (one / "answers").rglob("*.jsonl"))
    assert files == sorted(f.relative_to(two) for f in (two / "answers").rglob("*.jsonl"))
    for file in files:
        said = [[json.loads(line)["response"] for line in (root / file).read_text().splitlines()] for root in roots]
        assert said[0] == said[1]
    assert read_json(one / "results.json")["cells"] == read_json(two / "results.json")["cells"]
    assert not list(two.rglob("*.part"))


def test_a_mistake_is_told_and_ends_all(tmp_path: Path) -> None:
    done = torchrun("-m", "mlubench", "run", *PRESET, "-s", "benchmark.order=[Z]", "--out", tmp_path / "out")
    assert done.returncode != 0
    assert "unknown task in benchmark.order 'Z'" in done.stderr
    assert not torch.distributed.is_initialized()
