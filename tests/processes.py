"""Several processes at work together, started as users start them: by torchrun, on the CPU."""

import os
import subprocess
import sys


def torchrun(*words: object, processes: int = 2, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    """`torchrun ... WORDS` to its end. Each process has one thread, as there are no more cores than that here."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [*command, *map(str, words)],
        capture_output=True, text=True, check=False, timeout=timeout, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
