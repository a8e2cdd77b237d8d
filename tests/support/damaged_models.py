"""Copies of a model's folder with one thing wrong, as users get them from broken downloads and odd exports."""

import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 2721648\n"
WEIGHTS = "model.safetensors"
Tensors = dict[str, Tensor]


def with_tensors(base: Path, out: Path, change: Callable[[Tensors], Tensors]) -> Path:
    """A copy whose tensors are what `change` makes of them, under the names that transformers saves."""
    shutil.copytree(base, out)
    changed = change(load_file(out / WEIGHTS))
    save_file(changed, out / WEIGHTS, metadata={"format": "pt"})
    return out


def without(base: Path, out: Path, part: str) -> Path:
    """A copy that lacks the tensors whose names hold `part`."""

    def change(tensors: Tensors) -> Tensors:
        return {name: tensor for name, tensor in tensors.items() if part not in name}

    return with_tensors(base, out, change)


def with_file(base: Path, out: Path, name: str, content: str | bytes | None) -> Path:
    """A copy in which this file holds `content`; None: the file is gone."""
    shutil.copytree(base, out)
    path = out / name
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content)
    return out
