"""Safetensors files by their headers: what they hold, and whether they are whole. No tensor is read."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlubench.core.files import replacing

# As in the safetensors format: what the header holds besides tensors, and its limit.
METADATA = "__metadata__"
MAX_HEADER = 100_000_000  # bytes
# What Git leaves in the place of a large file that was never fetched begins so.
LFS_POINTER = b"version https://git-lfs.github.com/"


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """What the header says of one tensor."""

    shape: tuple[int, ...]
    # Where its bytes end, counted from the end of the header.
    end: int


def read_header(path: Path) -> dict[str, TensorEntry]:
    """The tensors of a safetensors file by name.

    Raises OSError when it cannot be read, ValueError with the reason in words when it is no whole safetensors file.
    """
    size = path.stat().st_size
    if size == 0:
        raise ValueError("it is empty")
    with path.open("rb") as handle:
        # The format: 8 bytes of header length, a JSON header, then the tensors' bytes without a gap.
        first = handle.read(8)
        if is_lfs_pointer(path):
            raise ValueError("it is a Git LFS pointer, not the file itself")
        length = int.from_bytes(first, "little")
        if not 2 <= length <= MAX_HEADER:
            raise ValueError("its header has no sound length")
        if 8 + length > size:
            raise ValueError(f"it is cut short within its header, at {size:,} bytes")
        entries = _parse(handle.read(length))
    expected = 8 + length + max((entry.end for entry in entries.values()), default=0)
    if size < expected:
        raise ValueError(f"it is cut short: {size:,} of {expected:,} bytes")
    if size > expected:
        raise ValueError(f"its length is not what its header says: {size:,} for {expected:,} bytes")
    return entries


def rename_tensors(path: Path, new_name: Callable[[str], str]) -> None:
    """Give the tensors of a whole safetensors file other names, in place. Their bytes stay as they are.

    Raises ValueError where two would have one name.
    """
    read_header(path)
    with path.open("rb") as source, replacing(path) as target:
        length = int.from_bytes(source.read(8), "little")
        old = json.loads(source.read(length))
        new = {}
        for name, facts in old.items():
            new[name if name == METADATA else new_name(name)] = facts
        if len(new) != len(old):
            raise ValueError("two tensors would have one name")
        header = json.dumps(new, separators=(",", ":")).encode()
        # The tensors begin at a multiple of 8 bytes, as the format wants it.
        header += b" " * (-len(header) % 8)
        target.write(len(header).to_bytes(8, "little") + header)
        shutil.copyfileobj(source, target)


def is_lfs_pointer(path: Path) -> bool:
    """Whether the file is only Git's pointer to a large file elsewhere."""
    with path.open("rb") as handle:
        return handle.read(len(LFS_POINTER)) == LFS_POINTER


def _parse(header: bytes) -> dict[str, TensorEntry]:
    entries = {}
    try:
        described = json.loads(header)
        described.pop(METADATA, None)
        for name, facts in described.items():
            _, end = facts["data_offsets"]
            shape = tuple(int(side) for side in facts["shape"])
            entries[name] = TensorEntry(shape, int(end))
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ValueError(f"its header is broken: {error}") from error
    return entries
