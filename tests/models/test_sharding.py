"""When a base is sharded. That a sharded run comes to what one process comes to is tested in lifelong/."""

import pytest

from mlubench.config import LoraConfig
from mlubench.errors import UsageError
from mlubench.models import ranks, sharding
from mlubench.models.adapters import add_adapter
from mlubench.models.hf import MLLM


@pytest.mark.parametrize(("world", "asked", "sharded"), [(2, "true", True), (2, "false", False), (1, "true", False)])
def test_it_is_sharded_where_several_processes_are_asked_to(
    monkeypatch: pytest.MonkeyPatch, world: int, asked: str, sharded: bool
) -> None:
    monkeypatch.setattr(ranks, "world", lambda: world)
    monkeypatch.setenv(sharding.ASKED, asked)
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert sharding.wanted() is sharded


def test_version_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "world", lambda: 2)
    monkeypatch.setenv(sharding.ASKED, "true")
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(UsageError, match="fsdp_version: 2"):
        sharding.wanted()


def test_a_sharded_part_cannot_be_trained_whole(mllm: MLLM) -> None:
    mllm.sharded = True
    with pytest.raises(UsageError, match="full=language"):
        add_adapter(mllm, "whole", LoraConfig(), "language", seed=0, full=("language",))
