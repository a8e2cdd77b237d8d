"""What is kept in the cache is made by one process, and found there by those that asked at the same time."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlubench.core.cache import made_once
from mlubench.core.files import whole_dir

# Two of these at once: both find nothing there, and say so before they ask.
MAKE = """
import sys, time
from pathlib import Path
from mlubench.core.cache import made_once
from mlubench.core.files import whole_dir

folder = Path(sys.argv[1])

def make():
    print("makes", flush=True)
    with whole_dir(folder, {}) as out:
        time.sleep(0.5)
        (out / "value").write_text("made")

print(folder.exists(), flush=True)
sys.stdin.readline()
made_once(folder, make)
print((folder / "value").read_text())
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))


def test_of_two_processes_one_makes_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", MAKE, str(tmp_path / "models" / "base")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes) as one, subprocess.Popen(words, **pipes) as other:
        both = (one, other)
        assert [process.stdout.readline() for process in both] == ["False\n", "False\n"]
        for process in both:
            print(file=process.stdin, flush=True)
        said = [process.communicate(timeout=60)[0].split() for process in both]
    assert sorted(said) == [["made"], ["makes", "made"]]


def test_what_fails_is_made_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "base"

    def fail() -> None:
        raise ArithmeticError

    def make() -> None:
        with whole_dir(folder, {}) as out:
            (out / "value").write_text("made")

    with pytest.raises(ArithmeticError):
        made_once(folder, fail)
    assert made_once(folder, make) == folder
    # It is whole now, and nothing is made.
    assert made_once(folder, fail) == folder
    assert (folder / "value").read_text() == "made"
