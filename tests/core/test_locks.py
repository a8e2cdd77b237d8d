"""A lock waits or refuses, and dies with its holder."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.core.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from mlubench.core.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
BUSY = MlubenchError("somebody is at work", "Wait.")


def hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, path, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_refuses_at_once_and_is_freed_by_a_kill(tmp_path: Path) -> None:
    with hold(tmp_path / "lock", 60) as child:
        with (
            pytest.raises(MlubenchError, match="somebody is at work"),
            locked(tmp_path / "lock", if_held=BUSY),
        ):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        with locked(tmp_path / "lock", if_held=BUSY):
            pass


def test_waits_for_another_process(tmp_path: Path) -> None:
    with hold(tmp_path / "lock", 0.5) as child, locked(tmp_path / "lock"):
        time.sleep(0.2)  # the child's own end takes a moment after it let go
        assert child.poll() is not None or child.wait(5) == 0


def test_an_error_inside_frees_it_and_passes(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="mine"), locked(tmp_path / "lock"):
        raise TimeoutError("mine")
    with locked(tmp_path / "lock", if_held=BUSY):
        pass
