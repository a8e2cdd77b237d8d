"""Peak memory is of the piece of work measured, not of what came before."""

import subprocess
import sys

import pytest
import torch

from mlubench.models.memory import PeakMemory

MIB = 2**20
# Blocks of the given sizes (MiB), one after the other. The peak of each is printed, in bytes.
MEASURE = """
import sys
import torch
from mlubench.models.memory import PeakMemory
for size in map(int, sys.argv[1:]):
    with PeakMemory(torch.device("cpu")) as memory:
        block = torch.ones(size * 2**20, dtype=torch.uint8)  # every page is written to
        del block
    print(memory.bytes)
"""


def peaks_of(*mebibytes: int) -> list[int]:
    """In a process of its own: what earlier tests of this one have freed would serve again, and nothing would grow."""
    command = [sys.executable, "-c", MEASURE, *map(str, mebibytes)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if "None" in printed:
        pytest.skip("this system does not tell")
    return list(map(int, printed))


def test_a_big_block_shows() -> None:
    small, big = peaks_of(1, 400)
    assert 300 * MIB < big - small < 500 * MIB


def test_an_earlier_peak_is_forgotten() -> None:
    big, small = peaks_of(400, 1)
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
