"""`mlubench status`: how far a run is, from its folder alone."""

import json
import shutil
from pathlib import Path

from mlubench.settings.loading import dump, load
from support.runs import Finished, call


def status(folder: Path) -> dict:
    called = call("status", folder, "--json")
    assert called.code == 0
    return json.loads(called.out)


def test_finished(finished: Finished) -> None:
    facts = status(finished.folder)
    assert (facts["state"], facts["preset"], facts["tasks"]) == ("finished", "smoke", ["A", "B"])
    assert [row["method"] for row in facts["methods"]] == ["ga", "npo", "po", "lumoe"]
    for row in facts["methods"]:
        assert row["archived"] == ["A", "B"]
        assert row["cells"] == row["answered"] == row["judged"] == 3
    table = call("status", finished.folder).out
    assert "finished" in table
    assert table.count("3/3") == 8


def test_a_missing_verdict_or_archive_is_seen(copied: Path) -> None:
    (copied / "verdicts" / "rules" / "npo" / "A-UB.jsonl").unlink()
    shutil.rmtree(copied / "models" / "po" / "B")
    facts = status(copied)
    rows = {row["method"]: row for row in facts["methods"]}
    assert facts["state"] == "under way"
    assert (rows["npo"]["answered"], rows["npo"]["judged"]) == (3, 2)
    assert rows["po"]["archived"] == ["A"]


def test_a_run_that_has_not_begun_to_answer(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(dump(load("smoke")))
    facts = status(tmp_path)
    assert facts["state"] == "preparing"
    assert [row["answered"] for row in facts["methods"]] == [0, 0, 0, 0]


def test_status_changes_nothing(finished: Finished) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*")}
    status(finished.folder)
    assert {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*")} == before
