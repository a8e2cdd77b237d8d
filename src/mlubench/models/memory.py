"""Peak memory of a piece of work: of the GPU where there is one, else of this process (Linux)."""

import re
from pathlib import Path

import torch


class PeakMemory:
    """Context manager that measures the peak of what is done within it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        # The peak in bytes, known at the end; None where the system does not tell.
        self.bytes: int | None = None
        self._peak_was_reset = False

    def __enter__(self) -> "PeakMemory":
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._peak_was_reset = _reset_process_peak()
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device)
        elif self._peak_was_reset:
            # Without the reset this would be the peak since the process began.
            self.bytes = _process_peak()


def _reset_process_peak() -> bool:
    """Let the kernel measure this process's peak anew. False where it cannot: no Linux, or no right to."""
    try:
        # "5" resets the peak resident set size, see proc(5).
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _process_peak() -> int | None:
    """Peak resident set size of this process in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else None
