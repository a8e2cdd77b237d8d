"""Several processes at work together, started as users start them, on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

from support.paths import EXAMPLES

EXAMPLE = EXAMPLES / "fsdp2.yaml"


def torchrun(*words: object, processes: int = 2) -> subprocess.CompletedProcess[str]:
    """`torchrun ... WORDS` to its end."""
    return _run("torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", *words)


def accelerate_launch(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """`accelerate launch ... WORDS` with the example of FSDP2, two processes, without cards."""
    config = folder / "fsdp2.yaml"
    config.write_text(EXAMPLE.read_text().replace("use_cpu: false", "use_cpu: true"))
    return _run("accelerate.commands.launch", "--config_file", config, *words)


def _run(module: str, *words: object, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    """Each process has one thread, as there are no more cores than processes here."""
    command = [sys.executable, "-m", module, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=timeout, env=environment
    )
