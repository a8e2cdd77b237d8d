"""The files of an expert's folder, and how whoever tampers with them would sign them again."""

import json
from pathlib import Path

from mlubench.core.files import file_sha256

WEIGHTS, CONFIG, MANIFEST = "adapter_model.safetensors", "adapter_config.json", "manifest.json"


def sign(folder: Path, **changes: object) -> None:
    """Make the manifest agree with the files again, as whoever tampers would."""
    told = json.loads((folder / MANIFEST).read_text())
    files = {f.name: file_sha256(f) for f in folder.iterdir() if f.is_file() and f.name != MANIFEST}
    (folder / MANIFEST).write_text(json.dumps({**told, "files": files, **changes}))
