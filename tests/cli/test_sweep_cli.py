"""`mlubench sweep`: the plan, one-line errors, a failed run, and a real sweep that is interrupted and goes on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlubench.core.reading import read_json
from support.runs import call

SHORT = (
    "preset: smoke\n"
    "settings: {device: cpu, methods: [lumoe], train.epochs: 1, evaluate.limit: 2, know.enabled: false}\n"
    "grid: {benchmark.order: [[A]], seed: [0, 1]}\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "short.yaml"
    path.write_text(SHORT)
    return path


def test_the_plan_starts_and_writes_nothing(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    called = call("sweep", file, "--dry-run")
    assert called.code == 0
    assert called.out.count("not started") == 2
    assert "2 runs in runs/short" in called.err
    plan = json.loads(call("sweep", file, "--dry-run", "--json").out)
    assert [run["settings"] for run in plan["runs"]] == [
        {"benchmark.order": ["A"], "seed": seed} for seed in (0, 1)
    ]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("grid: {seed: [x]}", [], "got 'x'"),
        ("grid: {seed: [1, 1]}", ["--executor", "slurm"], "seed has a value twice"),
        ("grid: {seed: [1]}", ["--executor", "slurm"], "slurm: time is missing"),
        ("slurm: {time: 1, gpu: 1}", ["--executor", "slurm"], "'gpu'"),
        ("grid: {seed: [1]}", ["--jobs", "0"], "--jobs"),
    ],
)
def test_wrong_use_is_one_line(text: str, words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    called = call("sweep", tmp_path / "bad.yaml", "--out", tmp_path / "out", *words)
    assert called.code == 2
    assert said in called.error
    assert not (tmp_path / "out").exists()


def test_the_folder_of_a_run_is_no_sweep(file: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    called = call("sweep", file, "--out", tmp_path)
    assert called.code == 2
    assert "is a run, not a sweep" in called.error


def test_without_submitit(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    called = call("sweep", file, "--out", tmp_path / "out")
    assert called.code == 1
    assert "pip install 'mlubench[sweep]'" in called.error


def test_a_failed_run_is_one_line_with_its_log(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "failing.yaml"
    path.write_text(
        "preset: smoke\nsettings: {benchmark.kind: release, benchmark.root: absent}\ngrid: {seed: [0, 1]}\n"
    )
    called = call("sweep", path, "--executor", "here", "--out", tmp_path / "out", "--json")
    assert called.code == 1
    assert "Traceback" not in called.err
    lines = [line for line in called.err.splitlines() if line.startswith("failed ")]
    assert len(lines) == 2
    summary = json.loads(called.out)
    assert summary == read_json(tmp_path / "out" / "sweep.json", dict)
    assert summary["summary"] == []
    for line, run in zip(lines, summary["runs"], strict=True):
        assert run["state"] == "failed"
        assert run["error"] in line
        assert f"Log: {run['log']}" in line
        assert "Traceback" in Path(run["log"]).read_text()
    assert call("sweep", path, "--out", tmp_path / "out", "--dry-run").out.count("failed ") == 2


def sweep(file: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mlubench", "sweep", str(file), "--out", str(out), *words]
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background jobs ignore it
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


def states(file: Path, out: Path) -> list[str]:
    return [
        run["state"]
        for run in json.loads(call("sweep", file, "--out", out, "--dry-run", "--json").out)["runs"]
    ]


@pytest.mark.slow
def test_a_sweep_is_interrupted_goes_on_and_is_left_alone_when_done(
    cache: Path, base_path: Path, file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = sweep(file, out)
    until = time.monotonic() + 120
    while "running" not in states(file, out) and time.monotonic() < until:
        time.sleep(0.2)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=400)
    assert first.returncode == 130
    assert "cancelled 1 running jobs" in err
    assert "Traceback" not in err
    assert states(file, out) == ["interrupted", "not started"]

    second = sweep(file, out, "--json")
    printed, err = second.communicate(timeout=400)
    assert second.returncode == 0, err
    summary = json.loads(printed)
    assert states(file, out) == ["finished", "finished"]
    assert {
        (row["metric"], tuple(row["seeds"]), row["final"]["n"]) for row in summary["summary"]
    } == {
        ("forget_quality", (0, 1), 2),
        ("utility", (0, 1), 2),
    }
    for run in summary["runs"]:
        results = read_json(out / run["name"] / "results.json", dict)
        assert results["run"]["seed"] == run["seed"]
        assert (out / run["name"] / "report.html").is_file()
    assert len(list((out / "logs").glob("*/*/*_log.err"))) == 3
    assert "Seeds" in (out / "sweep.md").read_text()

    before = {path: path.stat().st_mtime_ns for path in out.glob("seed-*/**/*") if path.is_file()}
    (out / "sweep.json").unlink()
    again = call("sweep", file, "--out", out)
    assert again.code == 0
    assert "LUMoE" in again.out
    assert "start " not in again.err
    assert read_json(out / "sweep.json", dict)["summary"] == summary["summary"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
