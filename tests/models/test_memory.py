"""Peak memory is of the piece of work measured, not of what came before."""

import gc

import pytest
import torch

from mlubench.models.memory import PeakMemory

MIB = 2**20


def peak_of(mebibytes: int) -> int:
    # A model that an earlier test left as garbage could go while a peak is measured, and lower it.
    gc.collect()
    with PeakMemory(torch.device("cpu")) as memory:
        block = torch.ones(mebibytes * MIB, dtype=torch.uint8)  # every page is written to
        del block
    if memory.bytes is None:
        pytest.skip("this system does not tell")
    return memory.bytes


def test_a_big_block_shows() -> None:
    small, big = peak_of(1), peak_of(400)
    assert 300 * MIB < big - small < 500 * MIB


def test_an_earlier_peak_is_forgotten() -> None:
    big, small = peak_of(400), peak_of(1)
    assert small < big - 300 * MIB


def test_nothing_is_told_before_the_end() -> None:
    memory = PeakMemory(torch.device("cpu"))
    with memory:
        assert memory.bytes is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_it_is_the_gpus_memory() -> None:
    with PeakMemory(torch.device("cuda")) as memory:
        torch.ones(64 * MIB, dtype=torch.uint8, device="cuda")
    assert memory.bytes is not None and memory.bytes >= 64 * MIB
