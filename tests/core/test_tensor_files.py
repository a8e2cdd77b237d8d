"""A safetensors file is known by its header; what is cut, empty, or no such file is said in words."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mlubench.core.tensor_files import is_lfs_pointer, read_header

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 12\n"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tensors = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((4,), np.float16)}
    save_file(tensors, path, metadata={"format": "pt"})
    return path


def headed(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_names_and_shapes(whole: Path) -> None:
    entries = read_header(whole)
    assert {name: entry.shape for name, entry in entries.items()} == {"a": (2, 3), "b": (4,)}
    assert max(entry.end for entry in entries.values()) == 2 * 3 * 4 + 4 * 2
    assert not is_lfs_pointer(whole)


def test_a_cut_file_says_how_much_is_there(whole: Path) -> None:
    content = whole.read_bytes()
    whole.write_bytes(content[:-5])
    with pytest.raises(ValueError, match=f"cut short: {len(content) - 5} of {len(content)} bytes"):
        read_header(whole)
    whole.write_bytes(content[:20])
    with pytest.raises(ValueError, match="cut short within its header, at 20 bytes"):
        read_header(whole)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\x02", "cut short within its header"),
        (POINTER, "Git LFS pointer"),
        (b"<!DOCTYPE html><html>Not found</html>", "no sound length"),
        (headed({}, b"more"), "its length is not what its header says"),
        (headed([]), "its header is broken"),
        (headed(None), "its header is broken"),
        (headed({"a": 1}), "its header is broken"),
        (headed({"a": {"shape": [1], "data_offsets": [0]}}), "its header is broken"),
        ((2).to_bytes(8, "little") + b"{]", "its header is broken"),
        ((40_000).to_bytes(8, "little") + b"[" * 40_000, "its header is broken"),
    ],
    ids=str,
)
def test_what_is_no_such_file_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_header(path)
