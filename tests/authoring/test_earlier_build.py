"""A build folder that the first version made goes on: nothing is made anew, and what is redone has the same bytes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlubench.authoring.builder import Build, open_build
from support.builds import files

EARLIER = Path(__file__).parent / "earlier_build"
# What depends on the version of Pillow, pyarrow or matplotlib is not made again.
REDONE = (
    "entities",
    "questions",
    "answers",
    "items",
    "review",
    "know",
    "split",
    "release",
    "datasheet",
)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    shutil.copytree(EARLIER / "folder", tmp_path / "folder")
    return open_build(EARLIER / "spec.yaml", tmp_path / "folder")


def record_without_figures(data: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(data)
    record["stages"]["datasheet"]["outputs"].pop("figures")
    return record


def test_it_is_finished(build: Build) -> None:
    assert {state.name: state.status for state in build.run()} == {
        "entities": "done",
        "pictures": "done",
        "questions": "done",
        "answers": "done",
        "items": "done",
        "review": "done",
        "know": "done",
        "split": "done",
        "release": "done",
        "dataset": "done",
        "datasheet": "done",
    }
    assert files(build.context.root) == files(EARLIER / "folder")


def test_what_is_made_again_has_the_same_bytes(build: Build) -> None:
    states = build.run(redo=REDONE)
    assert [state.name for state in states if state.status == "todo"] == list(REDONE)
    before = files(EARLIER / "folder")
    after = files(build.context.root)
    assert after.keys() == before.keys()
    old_record = record_without_figures(before.pop("build.json"))
    assert record_without_figures(after.pop("build.json")) == old_record
    for name, data in before.items():
        if not name.startswith("figures/"):
            assert after[name] == data, name
