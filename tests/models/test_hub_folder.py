"""A base that was loaded by its id on a hub: where its weights lie here, and their hashes, so that its experts travel."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mlubench.core.files import file_sha256


def test_a_base_from_the_hubs_cache_has_hashes(base_path: Path, tmp_path: Path) -> None:
    """As the hub's client lays it out: a ref that names a commit, and that commit's files."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--org--tiny"
    shutil.copytree(base_path, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    code = (
        "import json\n"
        "from mlubench.models.folders import local_folder\n"
        "from mlubench.models.mllm import MLLM\n"
        "mllm = MLLM.load('org/tiny', device='cpu')\n"
        "print(json.dumps([mllm.name, mllm.weight_hashes(), local_folder('org/other')]))"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = {f.name: file_sha256(f) for f in base_path.glob("*.safetensors")}
    assert json.loads(done.stdout.splitlines()[-1]) == ["org/tiny", expected, None]
    assert expected
