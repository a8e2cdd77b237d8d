"""The program that measures training at the size of a 7B, tried on the tiny LLaVA and a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

from support.paths import BENCH, REPOSITORY

SHORT = ["--size", "tiny", "--device", "cpu", "--rounds", "1", "--methods", "dpo", "--json"]


def test_a_short_run_counts_the_tokens_of_both_ways(tmp_path: Path) -> None:
    words = [str(BENCH / "training_large.py"), *SHORT]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    ours, described, checkpointed = json.loads(done.stdout)["rows"]
    assert [ours["way"], described["way"], checkpointed["method"]] == ["ours", "described", "po"]
    # Both answers in one pass share the prompt and its picture.
    assert ours["tokens_with_gradients"] < 0.8 * described["tokens_with_gradients"]
    assert ours["seconds"] > 0
