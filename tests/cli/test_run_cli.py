"""`mlubench run`: table or JSON, the default folder, and a finished run that is asked for again."""

import json
import shutil
from pathlib import Path

import pytest
from runs import PRESET, Finished, call, scores

from mlubench.artifacts import read_json


def test_the_table_goes_to_stdout_and_the_rest_to_stderr(finished: Finished) -> None:
    assert finished.called.code == 0
    for word in ("LUMoE", "NPO", "A-UB", "Stability", "Forget quality", "Utility", "stand-ins"):
        assert word in finished.called.out
    assert "report.html" in finished.called.err
    assert "report.html" not in finished.called.out


def test_a_finished_run_asked_for_again_gives_the_same_results(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also: without --out the folder is runs/PRESET, and with --json stdout is one object, as in results.json."""
    shutil.copytree(finished.folder, tmp_path / "runs" / "smoke")
    monkeypatch.chdir(tmp_path)
    archives = {p: p.stat().st_mtime_ns for p in Path("runs/smoke/models").rglob("*") if p.is_file()}
    answers = {p: p.stat().st_mtime_ns for p in Path("runs/smoke/answers").rglob("*.jsonl")}
    called = call("run", *PRESET, "--json")
    assert called.code == 0
    printed = json.loads(called.out)
    assert printed == read_json(tmp_path / "runs" / "smoke" / "results.json")
    assert scores(printed["cells"]) == scores(finished.results["cells"])
    for path, time in {**archives, **answers}.items():
        assert path.stat().st_mtime_ns == time  # nothing is trained or asked twice
    assert printed["run"]["seconds"] >= finished.results["run"]["seconds"]


def test_a_second_process_is_refused(finished: Finished, copied: Path) -> None:
    from mlubench.lifelong.rundir import RunDir

    with RunDir(copied).lock():
        for words in (["run", *PRESET, "--out", copied], ["judge", copied]):
            called = call(*words)
            assert called.code == 1
            assert "another process" in called.error
