"""A program that keeps freed memory asks the system for each page once; elsewhere nothing happens."""

import subprocess
import sys

import pytest

from mlubench.core import allocator
from mlubench.core.allocator import keep_freed_memory

MADE_OFTEN = """
import resource, sys
from mlubench.core.allocator import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("not here")
import torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
size = int(sys.argv[2])
for _ in range(40):
    torch.ones(size)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str, size: int = 12 * 2**20) -> int:
    """Pages that the system had to clear for forty tensors of so many numbers (48 MiB), one after another."""
    command = [sys.executable, "-c", MADE_OFTEN, way, str(size)]
    called = subprocess.run(command, capture_output=True, text=True, check=False)
    if called.stderr.strip() == "not here":
        pytest.skip("this system's C library is not glibc")
    return int(called.stdout)


def test_memory_is_kept_for_the_next_tensor() -> None:
    # The first few still come to lie in other places.
    assert 4 * faults("kept") < faults("given back")


def test_the_largest_tensors_are_given_back() -> None:
    size = 2**25
    assert faults("kept", size) > 0.9 * faults("given back", size)


def test_where_there_is_no_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not keep_freed_memory()
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()
