"""Where runs run: here, in submitit's processes, and on SLURM, whose commands are stood in for."""

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.studies.sweep import executors, jobs
from mlubench.studies.sweep.executors import slurm_parameters, starter
from mlubench.studies.sweep.jobs import _cancel, run_all
from support.sweeps import runs_of


def test_here_a_failure_leaves_its_reason_and_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_one(config: object, folder: Path) -> None:
        raise (
            MlubenchError("no room", "Make some.")
            if folder.name.startswith("seed-0")
            else ValueError("two\nlines")
        )

    monkeypatch.setattr(jobs, "run_one", run_one)
    start = starter("here", logs=tmp_path / "logs", parallel=1, slurm={})
    runs = runs_of({"seed": [0, 1]}, tmp_path)
    progress = run_all(runs, start, logs=tmp_path / "logs", parallel=1, tell=lambda _: None, wait=0)
    assert [reason for reason, _ in progress.failed.values()] == [
        "no room. Make some.",
        "ValueError: two lines",
    ]
    for _, log in progress.failed.values():
        assert "Traceback" in log.read_text()


def test_runs_of_one_machine_take_gpus_in_turn_and_share_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(executors.os, "sched_getaffinity", lambda _: range(8))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    shown = [executors._environment(slot, 3) for slot in range(3)]
    assert [s["CUDA_VISIBLE_DEVICES"] for s in shown] == ["2", "5", "2"]
    assert {s["OMP_NUM_THREADS"] for s in shown} == {"2"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert executors._environment(0, 1) == {"CUDA_VISIBLE_DEVICES": ""}


def test_without_submitit_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MlubenchError, match=r"pip install 'mlubench\[sweep\]'"):
        starter("local", logs=tmp_path, parallel=1, slurm={})
    starter("here", logs=tmp_path, parallel=1, slurm={})


@pytest.mark.parametrize(
    "here", [signal.default_int_handler, signal.SIG_IGN], ids=["in front", "in the background"]
)
def test_a_process_of_submitit_is_cancelled(tmp_path: Path, here: Any) -> None:
    submitit = pytest.importorskip("submitit")
    executor = submitit.AutoExecutor(tmp_path, cluster="local")
    executor.update_parameters(timeout_min=1)
    before = signal.signal(signal.SIGINT, here)
    try:
        with executors._interruptible():
            job = executors._Submitted(executor.submit(time.sleep, 60))
        assert signal.getsignal(signal.SIGINT) is here
    finally:
        signal.signal(signal.SIGINT, before)
    assert not job.done()
    assert _cancel({"sleeper": job}, seconds=50) == "cancelled 1 running jobs"


def test_slurm_s_block_is_checked() -> None:
    parameters = slurm_parameters(
        {"partition": "gpu", "time": 60, "gpus_per_node": 1, "mem_gb": 32}
    )
    assert parameters == {
        "slurm_partition": "gpu",
        "slurm_time": 60,
        "gpus_per_node": 1,
        "mem_gb": 32,
    }
    for block, said in (
        ({"partition": "gpu"}, "time is missing"),
        ({"time": 1, "gpu": 1}, "'gpu'"),
        ({"time": 1, "mem_gb": "x"}, "mem_gb"),
    ):
        with pytest.raises(UsageError, match=said):
            slurm_parameters(block)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stand-ins for SLURM's commands, which write down how they were called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    says = {
        "srun": "",
        "sbatch": "Submitted batch job 4711",
        "scancel": "",
        "sacct": "JobID|State|NodeList\n4711|RUNNING|n1",
    }
    for name, said in says.items():
        (folder / name).write_text(
            f'#!/bin/sh\necho "$@" >> {folder}/{name}.called\ncat <<END\n{said}\nEND\n'
        )
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def test_slurm(cluster: Path, tmp_path: Path) -> None:
    slurm = {"partition": "gpu", "time": 60, "gpus_per_node": 1, "mem_gb": 32}
    start = starter("slurm", logs=tmp_path / "logs", parallel=1, slurm=slurm)
    (run,) = runs_of({"seed": [3]}, tmp_path)
    job = start(run, 0)
    folder = tmp_path / "logs" / run.name / "1"
    script = (folder / "4711_submission.sh").read_text()
    for flag in ("partition=gpu", "time=60", "gpus-per-node=1", "mem=32GB", f"job-name={run.name}"):
        assert f"#SBATCH --{flag}\n" in script
    assert (folder / "4711_submitted.pkl").is_file()
    assert not job.done()
    assert job.log.resolve() == (folder / "4711_0_log.err").resolve()
    job.cancel()
    assert (cluster / "scancel.called").read_text() == "4711\n"


def test_a_job_that_slurm_refuses_is_a_failed_run(cluster: Path, tmp_path: Path) -> None:
    (cluster / "sbatch").write_text("#!/bin/sh\necho 'invalid partition' >&2\nexit 1\n")
    start = starter("slurm", logs=tmp_path / "logs", parallel=2, slurm={"time": 1})
    runs = runs_of({"seed": [0, 1]}, tmp_path)
    progress = run_all(runs, start, logs=tmp_path / "logs", parallel=2, tell=lambda _: None, wait=0)
    assert len(progress.failed) == 2
    for reason, _ in progress.failed.values():
        assert reason.startswith("it could not be submitted: ")
        assert "invalid partition" in reason


def test_slurm_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MlubenchError, match="SLURM is not here"):
        starter("slurm", logs=tmp_path, parallel=1, slurm={"time": 1})
