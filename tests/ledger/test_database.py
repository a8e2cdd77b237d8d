"""The database is full, gone, or somebody else's: one clear line, nothing half-written, and afterwards it goes on."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.verification import Trust
from support.ledgers import JANE, filled, received

# No file may grow beyond what the ledger has: the same errors as on a full disk.
FULL = """
import resource, sys
from pathlib import Path
from mlubench.core.errors import MlubenchError
from mlubench.ledger.ledger import Ledger
from support.ledgers import JANE, received
path = Path(sys.argv[1])
ledger = Ledger.open(path)
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    ledger.append(received("R-9"), subject=JANE, details={"letter": "x" * 100_000})
except MlubenchError as error:
    print(error)
"""


def test_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = filled(path)
    before = path.read_bytes()
    words = [sys.executable, "-c", FULL, str(path)]
    tests = Path(__file__).parents[1]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tests)
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"the ledger {path} cannot be written: ")
    assert "Nothing of this was written. Free space" in line
    assert path.read_bytes() == before
    assert verify_stored(ledger, Trust()).is_whole
    assert ledger.append(received("R-9"), subject=JANE, details={"letter": "x" * 100_000})
    assert verify_stored(ledger, Trust()).is_whole


def test_a_file_that_was_moved_away_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = filled(path)
    moved = path.rename(tmp_path / "moved.sqlite")
    for work in (lambda: ledger.append(received("R-9")), ledger.head, lambda: ledger.entry(0)):
        with pytest.raises(MlubenchError, match="unable to open database file"):
            work()
    assert not path.exists()
    moved.rename(path)
    assert ledger.append(received("R-9")).index == 8


def test_who_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlubench.ledger.database._PATIENCE", 0.1)
    path = tmp_path / "ledger.sqlite"
    ledger, other = filled(path), Ledger.open(path)
    with ledger.transaction() as writer:
        writer.append(received("R-9"))
        with pytest.raises(MlubenchError, match="database is locked"):
            other.append(received("R-10"))
        # Who reads is not kept waiting.
        assert other.head().size == 8
    assert other.append(received("R-10")).index == 9


def test_threads_of_one_ledger_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them runs out of patience, as it might where SQLite alone would have them try again and again."""
    monkeypatch.setattr("mlubench.ledger.database._PATIENCE", 0)
    ledger = filled(tmp_path / "ledger.sqlite", requests=1)
    threads = [
        threading.Thread(target=lambda: ledger.append(received("R-9"), subject=JANE))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.head().size == 10


def test_an_event_that_is_too_long_is_refused(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ledger.sqlite")
    with pytest.raises(MlubenchError, match="record its hash"):
        ledger.append(received("R-9"), subject=JANE, details={"letter": "x" * 2_000_000})
    with pytest.raises(MlubenchError, match="cannot be written as JSON"):
        ledger.append(received("R-9", configuration={"rate": float("nan")}))
    assert ledger.head().size == 8
