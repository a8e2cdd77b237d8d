"""The program that kills the work on deletion requests: a few kills, each at a point where something becomes lasting."""

import json
import os
import subprocess
import sys

from support.paths import BENCH, REPOSITORY
from support.runs import Finished


def test_a_few_kills_leave_nothing_wrong(finished: Finished) -> None:
    words = [str(BENCH / "requests_killed.py"), str(finished.folder), "--quick", "--json"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr + done.stdout
    facts = json.loads(done.stdout)
    assert (facts["kills"], facts["problems"]) == (3, [])
    assert not (finished.folder / "models" / "lumoe" / ".requests").exists()
