"""Files of a build that hold another shape: one line that names the file."""

import shutil
from pathlib import Path

import pytest

from support.runs import call

EARLIER = Path(__file__).with_name("earlier_build")
SHAPES = {
    "list": b"[]\n",
    "null": b"null\n",
    "deep": b"[" * 100_000 + b"\n",
    "bytes": b"\xff\xfe{\0\n",
    "inside": b'{"stages": {"entities": 3}, "id": 3}\n',
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["build.json", "entities.jsonl", "items.jsonl", "verdicts.jsonl"])
def test_a_file_of_another_shape_is_one_line(tmp_path: Path, name: str, shape: str) -> None:
    shutil.copytree(EARLIER, tmp_path / "build")
    path = tmp_path / "build" / "folder" / name
    path.write_bytes(SHAPES[shape])
    called = call("data", "build", tmp_path / "build" / "spec.yaml", "--out", path.parent)
    assert called.code == 1
    assert called.error.startswith(f"mlubench: error: {path}")
    assert "Row" not in called.error
