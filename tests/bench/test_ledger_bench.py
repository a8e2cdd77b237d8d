"""kill -9 while a ledger is written, a few times: nothing that was acknowledged is lost, and the chain is whole."""

import json
import subprocess
import sys

from support.paths import BENCH

KILLS = 6


def test_a_few_kills() -> None:
    words = [str(BENCH / "ledger.py"), "--quick", "--kills", str(KILLS), "--json"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # With it the same times are drawn again.
    print(f"seed {found['seed']}")
    assert found["kills"] == KILLS
    assert (found["lost"], found["broken"]) == (0, 0)
    assert found["acknowledged"] > 0
    assert found["appends_a_second"] > 0 and found["verified_a_second"] > 0
