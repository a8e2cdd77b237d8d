"""Where trained bases, drawn worlds and kept replies lie on this machine."""

import os
from pathlib import Path


def cache_root() -> Path:
    """The folder that MLUBENCH_CACHE names, or one in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    # Absolute, since runs note where their pictures lie.
    return Path(os.environ.get("MLUBENCH_CACHE") or Path(home) / "mlubench").absolute()
