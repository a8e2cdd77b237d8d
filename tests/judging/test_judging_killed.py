"""kill -9 at 50 random points of judging: no verdict is lost, doubled or changed, and little is paid twice."""

import json
import os
import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from mlubench.core.lines import read_lines
from mlubench.endpoint.replies import ReplyCache
from mlubench.judging.llm.tools import CACHE
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import write_answers
from support.forking import Forks, ended
from support.judging_endpoint import Endpoint, serving
from support.rows import answer_row

JUDGE, CELLS, ROWS, KILLS, PARALLEL = "openai:m-2025-01-01", 6, 60, 50, 4


def write_run(root: Path) -> RunDir:
    """A run's folder with answers alone, all different."""
    run = RunDir(root)
    for cell in range(CELLS):
        rows = [
            answer_row(
                id=f"s{n}",
                entity="Animals/Cat",
                truth="A cat",
                response=f"Answer {n} of cell {cell}, worth {(n + cell) % 3}.",
            )
            for n in range(ROWS)
        ]
        write_answers(run.answers("base" if cell == 0 else "npo", "A", str(cell)), rows)
    return run


def judged(forks: Forks, endpoint: Endpoint, after: float | None) -> int:
    """The code of one judging, killed so many seconds after its first question."""
    began = len(endpoint.asked)
    child = forks.start()
    if after is not None:
        # It is still starting, however long that takes; or it asks no more, and writes what is kept.
        while len(endpoint.asked) == began and not ended(child):
            time.sleep(0.005)
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return forks.code()


@pytest.mark.slow
def test_fifty_kills(tmp_path: Path) -> None:
    run, draw = write_run(tmp_path / "run"), random.Random(0)
    before = {p: p.read_bytes() for p in (run.root / "answers").rglob("*.jsonl")}
    known, codes = [0], []
    with serving(hold=0.01) as endpoint:
        env = {
            "OPENAI_BASE_URL": endpoint.address,
            "OPENAI_API_KEY": "x",
            "MLUBENCH_CACHE": str(tmp_path / "cache"),
        }
        forks = Forks("judging_play.py", run.root, JUDGE, env=env)
        for _ in range(KILLS):
            codes.append(judged(forks, endpoint, draw.uniform(0, 0.4)))
            known.append(len(ReplyCache(tmp_path / "cache" / CACHE)))
            written = list(run.judged(JUDGE).rglob("*-U*.jsonl"))
            assert all(len(read_lines(path)) == ROWS for path in written)  # whole or absent
            if codes[-1] == 0 or len(written) == CELLS:
                break_off(tmp_path, run)  # it came to its end: judge the next ones anew
                known.append(0)
        assert codes.count(-signal.SIGKILL) >= 0.8 * KILLS
        assert max(known) > ROWS  # kills fell where there was something to lose
        assert judged(forks, endpoint, None) == 0
        assert forks.end() == 0
        asked = len(endpoint.asked)
    check(run, before, tmp_path)
    # What was under way when a process was killed may be asked again; nothing that was kept is.
    assert all(b >= a or b == 0 for a, b in pairwise(known))
    assert (
        asked <= sum(a for a, b in pairwise(known) if b < a) + CELLS * ROWS + KILLS * 4 * PARALLEL
    )


def break_off(tmp_path: Path, run: RunDir) -> None:
    for path in run.judged(JUDGE).rglob("*"):
        if path.is_file():
            path.unlink()
    (tmp_path / "cache" / CACHE).unlink()


def check(run: RunDir, before: dict[Path, bytes], tmp_path: Path) -> None:
    """Each answer has one verdict, the right one, in order; answers are as they were."""
    assert {p: p.read_bytes() for p in before} == before
    files = sorted(run.judged(JUDGE).rglob("*-U*.jsonl"))
    assert len(files) == CELLS
    for path in files:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        cell = int(path.stem.rsplit("-U", 1)[1])
        assert [row["id"] for row in rows] == [f"s{n}" for n in range(ROWS)]
        assert [row["score"] for row in rows] == [(n + cell) % 3 for n in range(ROWS)]
    assert len(ReplyCache(tmp_path / "cache" / CACHE)) == CELLS * ROWS
