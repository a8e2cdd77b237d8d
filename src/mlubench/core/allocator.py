"""The memory of freed tensors is kept by the process for the next ones, up to a size."""

import ctypes
import sys

# Parameters of mallopt in glibc's malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
# Larger tensors are still given back at once. All of them kept, the heap falls into pieces: a whole audit of the small
# real model held 10 GB in the place of 3.6.
_KEPT_AT_MOST = 64 * 2**20
# So much may lie free at the end of the heap.
_FREE_AT_MOST = 512 * 2**20


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
    # It says 1 where it is heard. Before glibc 2.35 it takes no threshold of this size.
    heard = [mallopt(_TRIM_THRESHOLD, _FREE_AT_MOST), mallopt(_MMAP_THRESHOLD, _KEPT_AT_MOST)]
    return all(heard)
