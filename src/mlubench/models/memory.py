"""Peak memory of a piece of work: of the GPU where there is one, else of this process (Linux)."""

import re
from pathlib import Path
from typing import Any

import torch


class PeakMemory:
    """Context manager; afterwards `bytes` is the peak within it, or None where the system does not tell."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.bytes: int | None = None

    def __enter__(self) -> "PeakMemory":
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._reset = _reset_high_water()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device)
        elif self._reset:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
            self.bytes = int(found[1]) * 1024 if found else None


def _reset_high_water() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
