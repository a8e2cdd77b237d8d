"""The programs that put load on a server and talk to it: what they say, on a few requests and on the smoke run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import BENCH, REPOSITORY
from support.runs import Finished


def test_a_short_load_is_measured_both_ways(tmp_path: Path) -> None:
    words = [str(BENCH / "serving_load.py"), "--quick", "--json", "--requests", "8"]
    words += ["--experts", "2", "--rank", "4", "--new", "4", "--rows", "4", "--clients", "4"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    (seen,) = facts["rounds_seen"]
    assert seen["served"]["statuses"] == {"200": 8}
    assert seen["served"]["tokens"] <= seen["direct"]["tokens"] == 32
    assert facts["ratio"] > 0


def test_times_are_told_for_each_step(finished: Finished) -> None:
    import serving_time

    came, stepped = serving_time.measure(finished.folder, 4, 12)
    assert [came["step"], stepped["step"]] == [0, 0.25]
    for told in (came, stepped):
        assert told["expert"]["n"] + told["base"]["n"] == 12
        assert 0 <= told["auroc"] <= 1
    # Nothing leaves before its step.
    assert stepped["base"]["wall_ms_p50"] >= 250


@pytest.fixture
def program():
    import serving_conversations

    return serving_conversations


def test_conversations_get_nothing_out(program, finished: Finished) -> None:
    facts = program.measure(finished.folder, 3)
    assert facts["facts"] == 3
    assert facts["conversations"] == 3 * (len(program.WAYS) + 2)
    by_way = {row["way"]: row for row in facts["rows"]}
    assert set(by_way) == {*program.WAYS, program.DRAWN, program.IN_PIECES}
    # There is something to get out.
    assert by_way["answer begun"]["base"] > 0.3
    assert facts["told"] < 0.1
