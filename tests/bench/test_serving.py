"""The serving benchmark's program: a short run of it from the command line says what its tables need."""

import json
import os
import subprocess
import sys
from pathlib import Path

from support.paths import BENCH, REPOSITORY

SHORT = [
    "--experts",
    "2",
    "4",
    "--queries",
    "6",
    "--new",
    "4",
    "--rank",
    "4",
    "--rounds",
    "2",
    "--authors",
    "2",
]


def test_a_short_run_compares_all_ways(tmp_path: Path) -> None:
    words = [str(BENCH / "serving.py"), "--quick", "--json", *SHORT]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    rows = {(row["way"], row["experts"]): row for row in facts["rows"]}
    both = {(way, n) for way in ("ours", "set_adapter", "adapter_names") for n in (2, 4)}
    assert set(rows) == both | {("base", 0), ("one adapter", 1), ("authors", 2)}
    compared = [
        row for (way, _), row in rows.items() if way in ("set_adapter", "adapter_names", "authors")
    ]
    assert all(row["same_answers_as_ours"] for row in compared)
    assert all(row["of_base"]["ratio"] > 0 for row in rows.values())
    memory = facts["memory"]
    assert {p["bytes_per_expert"] for p in memory["points"]} == {memory["adapter_bytes"]}
    assert (
        facts["lru"]["same_answers"]
        and facts["lru"]["in_memory"] == 2
        and facts["lru"]["reads"] > 4
    )
    assert {t["what"] for t in facts["targets"]} >= {
        "ours to the authors' way",
        "ours to one adapter for all rows",
    }
