"""`mlubench run`: table or JSON, the default folder, and a finished run that is asked for again."""

import json
import shutil
from pathlib import Path

import pytest

from mlubench.core.reading import read_json
from mlubench.settings.loading import preset_names
from support.runs import PRESET, Finished, call, scores


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
    archives = {
        p: p.stat().st_mtime_ns for p in Path("runs/smoke/models").rglob("*") if p.is_file()
    }
    answers = {p: p.stat().st_mtime_ns for p in Path("runs/smoke/answers").rglob("*.jsonl")}
    called = call("run", *PRESET, "--json")
    assert called.code == 0
    printed = json.loads(called.out)
    assert printed == read_json(tmp_path / "runs" / "smoke" / "results.json", dict)
    assert scores(printed["cells"]) == scores(finished.results["cells"])
    for path, time in {**archives, **answers}.items():
        assert path.stat().st_mtime_ns == time  # nothing is trained or asked twice
    assert printed["run"]["seconds"] >= finished.results["run"]["seconds"]


def test_a_second_process_is_refused(finished: Finished, copied: Path) -> None:
    from mlubench.runs.folder import RunDir

    with RunDir(copied).lock():
        for words in (["run", *PRESET, "--out", copied], ["judge", copied]):
            called = call(*words)
            assert called.code == 1
            assert "another process" in called.error


@pytest.mark.parametrize("preset", preset_names())
def test_dry_run_of_each_preset(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 0 where all is there, 1 with lines that say what to add where it is not; nothing is written."""
    monkeypatch.chdir(tmp_path)
    ready = preset in ("smoke", "toy")
    called = call("run", preset, "--dry-run")
    assert called.code == (0 if ready else 1), called.err
    missing = [line for line in called.out.splitlines() if line.startswith("missing: ")]
    assert bool(missing) is not ready
    assert ready or any("-s benchmark.root=DIR" in line for line in missing)
    assert "trained parameters" in called.out
    assert ("optimiser steps" in called.out) is ready
    assert list(tmp_path.iterdir()) == []


def test_dry_run_as_json(tmp_path: Path) -> None:
    called = call("run", *PRESET, "--dry-run", "--json", "--out", tmp_path / "new")
    assert called.code == 0
    plan = json.loads(called.out)
    assert (plan["preset"], plan["order"], plan["missing"]) == ("smoke", ["A", "B"], [])
    assert plan["steps"] == sum(m["steps"] for m in plan["methods"])
    for method in plan["methods"]:
        memory = method["memory"]
        assert memory["total"] == sum(v for k, v in memory.items() if k != "total")
    missing = call("run", "qwen3-vl-4b", "--dry-run", "--json")
    assert missing.code == 1
    assert {"what", "do"} == set(json.loads(missing.out)["missing"][0])


def test_presets_of_published_models_say_what_to_add(tmp_path: Path) -> None:
    for preset in ("llava-v1.6-7b", "llava-v1.6-13b", "qwen3-vl-4b"):
        called = call("run", preset, "--out", tmp_path / "run")
        assert called.code == 2
        assert "-s benchmark.root=DIR" in called.error
    assert not (tmp_path / "run").exists()


def test_dry_run_refuses_wrong_settings(tmp_path: Path) -> None:
    called = call("run", "smoke", "--dry-run", "-s", "methods=[gaa]")
    assert called.code == 2
    assert "Did you mean" in called.error


def test_a_gate_without_its_key_ends_the_run_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    called = call("run", *PRESET, "-s", "gate=mllm", "--out", tmp_path / "x")
    assert called.code == 2
    assert "OPENAI_API_KEY is not set" in called.error
    assert not (tmp_path / "x" / "config.yaml").exists()
    dry = call("run", *PRESET, "-s", "gate=mllm", "--out", tmp_path / "x", "--dry-run")
    assert dry.code == 1
    assert "OPENAI_API_KEY is not set" in dry.out
    dry = call(
        "run",
        *PRESET,
        "-s",
        "gate=mllm",
        "-s",
        "methods=[ga]",
        "--out",
        tmp_path / "x",
        "--dry-run",
    )
    assert "OPENAI_API_KEY" not in dry.out
