"""Where trained bases, drawn worlds and kept replies lie on this machine."""

import os
from collections.abc import Callable
from pathlib import Path

from mlubench.core.files import is_whole
from mlubench.core.locks import locked


def cache_root() -> Path:
    """The folder that MLUBENCH_CACHE names, or one in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    # Absolute, since runs note where their pictures lie.
    return Path(os.environ.get("MLUBENCH_CACHE") or Path(home) / "mlubench").absolute()


def made_once(folder: Path, make: Callable[[], object]) -> Path:
    """The cached folder, which `make` makes now unless it is whole. Its name is that of no other in the cache.

    Of several processes the first makes it. The others wait, and find it made.
    """
    if not is_whole(folder):
        locks = cache_root() / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with locked(locks / folder.name):
            if not is_whole(folder):
                make()
    return folder
