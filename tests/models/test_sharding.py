"""When a base is sharded. Sharded runs are tested in experiment/test_two_processes.py."""

import json
from pathlib import Path

import pytest
import torch

from mlubench.core import processes
from mlubench.core.errors import UsageError
from mlubench.models import sharding
from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark
from support.paths import SUPPORT
from support.processes import accelerate_launch


@pytest.mark.parametrize(
    ("world", "asked", "sharded"), [(2, "true", True), (2, "false", False), (1, "true", False)]
)
def test_it_is_sharded_where_several_processes_are_asked_to(
    monkeypatch: pytest.MonkeyPatch, world: int, asked: str, sharded: bool
) -> None:
    monkeypatch.setattr(processes, "world", lambda: world)
    monkeypatch.setenv(sharding.USE_FSDP, asked)
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert sharding.wanted() is sharded


def test_version_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "world", lambda: 2)
    monkeypatch.setenv(sharding.USE_FSDP, "true")
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(UsageError, match="fsdp_version: 2"):
        sharding.wanted()


def test_each_process_holds_its_half_and_answers_as_the_whole(
    base_path: Path, mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    picture = benchmark.picture(benchmark.samples[0])
    done = accelerate_launch(tmp_path, SUPPORT / "sharding_play.py", base_path, picture, tmp_path)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        want = mllm.model(**mllm.encode([Query(picture, "What is it?")]), use_cache=False).logits[
            0, -1
        ]
    held = []
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found["sharded"]
        assert not found["beside"]
        assert found["held"] < 0.6 * found["whole"]
        assert torch.allclose(torch.tensor(found["logits"]), want, atol=1e-4)
        held.append(found["held"])
    assert sum(held) == found["whole"]


def test_a_sharded_part_cannot_be_trained_whole(mllm: MLLM) -> None:
    mllm.sharded = True
    with pytest.raises(UsageError, match="full=language"):
        add_adapter(mllm, "whole", LoraConfig(), "language", seed=0, full=("language",))
