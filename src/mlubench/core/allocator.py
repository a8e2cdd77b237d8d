"""Freed memory is kept by the process for the next tensor, which is the larger half of a CPU's time in some models."""

import ctypes
import sys

# Parameters of mallopt in glibc's malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
# So much may lie free at the end of the heap before it is given back: the most that the call takes, 2 GiB.
_KEPT_BYTES = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have this process keep the memory of tensors that are gone. Returns whether it does: only where there is glibc.

    By default glibc asks the system for the memory of each large tensor and gives it back at once. The system clears every
    page anew, which takes as long as the arithmetic where layers are wide and cheap, as a convolutional tower's are. What
    was measured: docs/performance.md. It is for a program to decide, so it is not done at an import.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Both say 1 where they are heard.
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))
