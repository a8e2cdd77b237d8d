"""Progress where nobody watches: whole lines on stderr, few of them, and nothing on stdout."""

import subprocess
import sys

import pytest

from mlubench.core import processes
from mlubench.core.progress import progress_bar

# A second for each step, by a clock of the script's own.
PLAY = """
import itertools
from mlubench.core.progress import progress_bar
now = iter(itertools.count())
with progress_bar(clock=lambda: seconds) as bar:
    seconds = 0.0
    task = bar.add_task("learning", total=1000)
    for step in range(1000):
        seconds = step + 1.0
        bar.advance(task)
    for step in bar.track(range(30), description="testing"):
        seconds += 1.0
"""


def run(script: str) -> tuple[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.split("\n")


def test_through_a_pipe_there_are_few_whole_lines() -> None:
    out, lines = run(PLAY)
    assert out == ""
    assert lines.pop() == ""
    assert "" not in lines
    learning = [line for line in lines if line.startswith("learning: ")]
    # Every 60 seconds, though a tenth is done every 100 only.
    assert learning[0] == "learning: 60/1,000"
    assert len(learning) == 16
    testing = [line for line in lines if line.startswith("testing: ")]
    assert testing == ["testing: 10/30", "testing: 20/30", "testing: 30/30"]
    assert len(lines) == len(learning) + len(testing)


def test_work_of_no_length_says_nothing() -> None:
    script = "from mlubench.core.progress import progress_bar\nwith progress_bar() as bar:\n    list(bar.track(range(5)))"
    assert run(script) == ("", [""])


def steps(seconds_each: float, **options: object) -> None:
    now = [0.0]
    with progress_bar(clock=lambda: now[0], **options) as bar:  # type: ignore[arg-type]
        task = bar.add_task("judging", total=None)
        for done in range(1, 5):
            now[0] += seconds_each
            bar.update(task, completed=done, total=4, description="judging (0.01 dollars)")


def test_a_description_and_a_total_may_come_later(capsys: pytest.CaptureFixture[str]) -> None:
    steps(10)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [f"judging (0.01 dollars): {n}/4" for n in (1, 2, 3, 4)]


def test_only_the_leader_tells_and_nobody_where_it_is_switched_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps(10, disable=True)
    monkeypatch.setattr(processes, "leads", lambda: False)
    steps(10)
    assert capsys.readouterr() == ("", "")
