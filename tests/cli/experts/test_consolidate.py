"""`mlubench experts consolidate`, `prune` and what the other commands say of merged experts."""

import json
import shutil
from pathlib import Path

import pytest

from mlubench.core.reading import read_json
from support.asking import picture, row_of
from support.runs import Finished, call


def told(*words: object) -> dict:
    called = call(*words, "--json")
    assert called.code == 0, called.err
    return json.loads(called.out)


@pytest.fixture
def light(finished: Finished, tmp_path: Path) -> Path:
    return shutil.copytree(finished.folder / "models" / "lumoe", tmp_path / "store")


def test_refused_then_merged_then_asked(finished: Finished, copied: Path) -> None:
    called = call("experts", "consolidate", copied, "--rank", 1, "--scale", "mean")
    assert called.code == 1
    assert "not replaced: forget_quality of task" in called.out and called.out.endswith(
        "nothing was changed\n"
    )
    assert told("experts", "list", copied)["history"] == []

    report = told("experts", "consolidate", copied, "--max-drop", 1)
    assert report["adopted"] and report["plan"]["max_drop"] == 1
    listed = call("experts", "list", copied).out
    assert "A version 1 (current, on, merged into merged+1)" in listed
    assert "merged+1 version 1 (current, on, made of A, B)" in listed
    row = row_of(finished, "A", "forget", "A")
    asked = told("ask", copied, "--image", picture(finished, row), row.question)
    assert asked["route"]["experts"] == ["merged+1"]
    assert "expert A is merged into merged+1" in asked["route"]["why"]

    exported = [copied.parent / f"{name}.tar" for name in "AB"]
    for file in exported:
        assert call("experts", "export", copied, file.stem, file).code == 0
    called = call("experts", "prune", copied)
    assert called.code == 2 and "--yes" in called.error
    assert told("experts", "prune", copied, "--yes")["freed"].keys() == {"A", "B"}
    verified = call("experts", "verify", copied).out
    assert "A version 1: whole, but for its weights, which were pruned\n" in verified
    assert "merged+1 version 1: whole\n" in verified
    again = told("ask", copied, "--image", picture(finished, row), row.question)
    assert again == asked
    assert (
        call("judge", copied, "--judge", "rules").code == 0
    )  # pruned weights are no matter for it
    assert "were pruned" in call("experts", "rollback", copied, "merged+1").error
    for file in exported:
        assert call("experts", "import", copied, file).code == 0
    # Taken in, it does not push the merged one aside; rolled back, it counts again.
    assert told("ask", copied, "--image", picture(finished, row), row.question) == asked
    assert call("experts", "rollback", copied, "merged+1").code == 0
    back = told("ask", copied, "--image", picture(finished, row), row.question)
    assert back["route"]["experts"] == ["A"]


def test_a_store_of_its_own_is_merged_unmeasured_only(light: Path) -> None:
    called = call("experts", "consolidate", light)
    assert called.code == 2 and "--unmeasured" in called.error
    called = call("experts", "consolidate", light, "--unmeasured", "--method", "distil")
    assert called.code == 2 and "needs a run" in called.error
    called = call("experts", "consolidate", light, "--unmeasured", "--rank", 4)
    assert (
        called.code == 0
        and "replaced, unmeasured" in called.out
        and "of the sum cut off" in called.out
    )
    assert "made of A, B, unmeasured" in call("experts", "list", light).out
    assert told("experts", "verify", light)["ok"]
    assert told("experts", "rollback", light, "merged+1") == {"expert": "merged+1", "version": 0}
    called = call("experts", "rollback", light, "merged+1", "--to", 1)
    assert called.out == "expert merged+1 is now at version 1\n"


def test_a_merged_expert_travels(light: Path, tmp_path: Path) -> None:
    assert call("experts", "consolidate", light, "--unmeasured").code == 0
    assert call("experts", "export", light, "merged+1", tmp_path / "m.tar").code == 0
    assert told("experts", "import", tmp_path / "other", tmp_path / "m.tar")["expert"] == "merged+1"


def test_scores_at_birth_travel_with_a_runs_expert(
    finished: Finished, copied: Path, tmp_path: Path
) -> None:
    born = [
        c
        for c in finished.results["cells"]
        if c["method"] == "lumoe" and c["task"] == c["after"] == "B"
    ]
    assert len(born) == 2
    rows = {r["expert"]: r["scores"] for r in told("experts", "list", copied)["experts"]}
    assert rows["B"] == born
    assert call("experts", "export", copied, "B", tmp_path / "b.tar").code == 0
    assert told("experts", "import", tmp_path / "other", tmp_path / "b.tar")["version"] == 1
    assert read_json(tmp_path / "other" / "B" / "manifest.json", dict)["scores"] == born
    called = call(
        "experts", "import", copied, tmp_path / "b.tar"
    )  # scores make no other expert of it
    assert called.code == 2 and "has this expert 'B' as version 1" in called.error


def test_a_run_is_always_measured(finished: Finished) -> None:
    called = call("experts", "consolidate", finished.folder, "--unmeasured")
    assert called.code == 2 and "always measured" in called.error
