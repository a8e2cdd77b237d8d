"""Files of a run or a store that hold another shape, and folders that are neither: one line from every command."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support.runs import PRESET, Finished, call

DEEP = "[" * 100_000
SHAPES = {
    "list": "[]",
    "null": "null",
    "deep": DEEP,
    "bytes": b"\xff\xfe{\0",
    "inside": '{"files": {"a": 1}, "tasks": 3, "dropped": [7], "experts": 7, "benchmark": [], "cells": [[]], "id": 3}',
}
# The file, and commands that read it.
READERS = {
    "run.json": ("status", "ask", "judge"),
    "results.json": ("report", "list"),
    "know.json": ("run", "plan"),
    "config.yaml": ("status", "report", "judge", "ask"),
    "models/lumoe/B/manifest.json": ("ask", "list", "export", "run"),
    "models/ga/A/manifest.json": ("judge",),
    "models/lumoe/store.json": ("ask", "list", "verify", "disable"),
    "models/lumoe/B/adapter_config.json": ("ask",),
    "answers/lumoe/A-UA.jsonl": ("judge", "run"),
    "verdicts/rules/lumoe/A-UA.jsonl": ("judge",),
    "verdicts/rules/judge.json": ("judge",),
}
# Answers and verdicts that are damaged are made anew by these commands.
MAKES_ANEW = {
    "answers/lumoe/A-UA.jsonl": ("run",),
    "verdicts/rules/lumoe/A-UA.jsonl": ("judge",),
    "verdicts/rules/judge.json": ("judge",),
}


@pytest.fixture
def run(finished: Finished, tmp_path: Path) -> Path:
    shutil.copytree(finished.folder, tmp_path / "run")
    return tmp_path / "run"


def words(command: str, run: Path) -> tuple[object, ...]:
    picture = run.parent / "p.png"
    Image.new("RGB", (32, 32)).save(picture)
    commands: dict[str, tuple[object, ...]] = {
        "status": ("status", run),
        "report": ("report", run),
        "judge": ("judge", run),
        "ask": ("ask", run, "--image", picture, "What is it?"),
        "list": ("experts", "list", run),
        "verify": ("experts", "verify", run),
        "disable": ("experts", "disable", run, "A"),
        "export": ("experts", "export", run, "B", run.parent / "b.tar"),
        "run": ("run", *PRESET, "--out", run),
        "plan": ("run", *PRESET, "--out", run, "--dry-run"),
    }
    return commands[command]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", READERS)
def test_a_file_of_another_shape_is_one_line(run: Path, name: str, shape: str) -> None:
    data = SHAPES[shape]
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # With a newline, as the end of a line file may be missing.
    path.write_bytes((data if isinstance(data, bytes) else data.encode()) + b"\n")
    for command in READERS[name]:
        called = call(*words(command, run))
        assert "Traceback" not in called.err
        if called.code == 0 and command in MAKES_ANEW.get(name, ()):
            # Nothing of the broken file is left.
            assert [json.loads(line) for line in path.read_bytes().splitlines()]
            continue
        *before, last = called.err.splitlines()
        assert called.code in (1, 2), command
        assert last.startswith(f"mlubench: error: {path}"), command
        # Only a run says something before.
        assert not before or command == "run"


@pytest.mark.parametrize("name", ["metric.json", "mention.json"])
@pytest.mark.parametrize("text", ["{}", "[]", '{"entities": [], "experts": [], "threshold": 0}'])
def test_a_gate_that_knows_nothing_is_refused(run: Path, name: str, text: str) -> None:
    """Also where the manifest vouches for its bytes: every query would reach the base."""
    folder = run / "models" / "lumoe" / "B"
    (folder / name).write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    called = call(*words("ask", run))
    assert called.code == 1
    assert f"{folder / name} cannot be used: " in called.error


def empty(folder: Path) -> None:
    folder.mkdir()


def of_somebody(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    (folder / "manifest.json").write_text("[]")


def with_a_folder(folder: Path) -> None:
    (folder / "A").mkdir(parents=True)
    (folder / "A" / "manifest.json").write_text("null")


def a_file(folder: Path) -> None:
    folder.write_text("x")


def nothing(folder: Path) -> None:
    """Nothing is there."""


FOREIGN = (empty, of_somebody, with_a_folder, a_file, nothing)


@pytest.mark.parametrize("make", FOREIGN, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "command", ["status", "report", "judge", "ask", "list", "verify", "disable"]
)
def test_a_foreign_folder_is_one_line(
    tmp_path: Path, make: Callable[[Path], None], command: str
) -> None:
    folder = tmp_path / "x"
    make(folder)
    called = call(*words(command, folder))
    assert called.code in (1, 2)
    assert str(folder) in called.error
