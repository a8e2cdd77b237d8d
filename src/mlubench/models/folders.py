"""Where the files of a Hugging Face model lie on this machine. Nothing here downloads."""

import json
from pathlib import Path


def local_folder(path: str, revision: str | None = None) -> Path | None:
    """`path` itself where it is a model's folder, else the snapshot of that id in the Hub's cache, else None."""
    if (Path(path) / "config.json").is_file():
        return Path(path)
    from transformers.utils import cached_file

    try:
        config = cached_file(path, "config.json", revision=revision, local_files_only=True)
    except (OSError, ValueError):
        return None
    return Path(config).parent if config else None


def absent_weights(folder: Path) -> list[str]:
    """Names of the safetensors files that a model's folder lacks."""
    # A model in several files has an index that names them; a model in one file has none.
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [] if any(folder.glob("*.safetensors")) else ["model.safetensors"]
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(weight_map.values()))
    except (OSError, ValueError, KeyError, AttributeError):
        return [index.name]
    return [name for name in names if not (folder / name).is_file()]
