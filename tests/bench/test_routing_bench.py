"""The routing benchmark's program, at sizes that take seconds."""

import json
import os
import subprocess
import sys

from support.paths import BENCH

BENCHMARK = BENCH / "routing.py"


def test_a_small_run() -> None:
    words = [str(BENCHMARK), "--sizes", "127", "600", "--queries", "40", "--json"]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=True, env={**os.environ}
    )
    found = json.loads(done.stdout)
    rows = found["rows"]
    assert [(r["what"], r["size"]) for r in rows] == [
        (what, size)
        for size in (127, 600)
        for what in ("names: question", "names: reply", "pictures")
    ]
    for row in rows:
        assert row["us"] > 0 and row["added_found"] and 0 <= row["false_routes"] < 1
        assert (
            row["what"] == "names: question" or row["recall"] == 1.0
        )  # all is looked at, and names leave nothing out
    for row in rows[:2]:
        assert row["routed"]["listed"] == 1.0 and row["routed"]["none"] == 0.0
        assert row["target_us"] == 50 and set(row["met"]) >= {"us", "memory"}
