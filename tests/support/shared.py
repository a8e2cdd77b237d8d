"""What is made once for a session: pytest-xdist's workers take turns, so that the first makes it and the others find it."""

import os
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from mlubench.core.locks import locked

WORKER = "PYTEST_XDIST_WORKER"  # set in each worker, and nowhere else


def session_folder(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """The folder `name` of this session, which `make` has filled in this process or in another.

    No test may change it. If `make` fails, the next who asks calls it again.
    """
    folder = _common_folder(tmp_path_factory) / name
    made = folder.with_name(f"{name}.made")
    with locked(folder.with_name(f"{name}.lock")):
        if not made.exists():
            rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


def _common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder that all processes of the session have in common."""
    own = tmp_path_factory.getbasetemp()
    # A worker's own folder lies in it.
    return own.parent if WORKER in os.environ else own
