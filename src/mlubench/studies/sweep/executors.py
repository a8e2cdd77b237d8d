"""Where a sweep's runs run: in this process, or through submitit as processes of this machine or jobs of SLURM."""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import write_atomic
from mlubench.studies.sweep.grid import ERROR, SweepRun, starts_of
from mlubench.studies.sweep.jobs import Job, RunJob, Start

ExecutorName = Literal["local", "slurm", "here"]
LOCAL_MINUTES = 60 * 24 * 365  # submitit ends a local job after 2 minutes unless told otherwise


def starter(executor: ExecutorName, *, logs: Path, parallel: int, slurm: dict[str, Any]) -> Start:
    """How to start a run. Raises MlubenchError when submitit or SLURM is not there, UsageError for wrong SLURM settings."""
    if executor == "here":
        return lambda run, slot: _here(run, _new_log(run, logs))
    auto = _submitit()
    parameters = slurm_parameters(slurm) if executor == "slurm" else {"timeout_min": LOCAL_MINUTES}
    if executor == "slurm" and not shutil.which("srun"):
        raise MlubenchError(
            "SLURM is not here: no srun",
            "Run on a login node of the cluster, or use --executor local.",
        )

    def start(run: SweepRun, slot: int) -> Job:
        folder = _new_log(run, logs)
        submitter = auto(folder, cluster=executor)
        submitter.update_parameters(name=run.name[:60], **parameters)
        environment = _environment(slot, parallel) if executor == "local" else {}
        try:
            with _output_to(folder / "submitit.txt"), _interruptible():
                return _Submitted(submitter.submit(_job(run, folder, environment)))
        except RuntimeError as error:  # submitit's, with what sbatch said
            write_atomic(
                folder / ERROR, f"it could not be submitted: {' '.join(str(error).split())}\n"
            )
            return _Ended(folder / ERROR)

    return start


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Have processes that start meanwhile write to a file: submitit's own would print a traceback when it is cancelled."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {stream: os.dup(stream) for stream in (1, 2)}
    with path.open("ab") as file:
        try:
            for stream in kept:
                os.dup2(file.fileno(), stream)
            yield
        finally:
            for stream, old in kept.items():
                os.dup2(old, stream)
                os.close(old)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Processes that start meanwhile can be interrupted, which is how submitit cancels them.

    A shell starts its background jobs with interrupts ignored, and processes hand that on.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _submitit() -> Any:
    try:
        from submitit import AutoExecutor
    except ImportError:
        raise MlubenchError(
            "submitit is not installed",
            "Run `pip install 'mlubench[sweep]'`, or use --executor here.",
        ) from None
    return AutoExecutor


def slurm_parameters(slurm: dict[str, Any]) -> dict[str, Any]:
    """A file's `slurm:` block in submitit's words. Raises UsageError for what submitit does not know."""
    if not {"time", "timeout_min"} & slurm.keys():
        raise UsageError(
            "slurm: time is missing",
            "Add `slurm: {time: MINUTES}`; submitit alone would ask for 5 minutes.",
        )
    shared = (
        "timeout_min",
        "mem_gb",
        "nodes",
        "cpus_per_task",
        "gpus_per_node",
        "tasks_per_node",
        "stderr_to_stdout",
    )
    parameters = {key if key in shared else f"slurm_{key}": value for key, value in slurm.items()}
    try:  # submitit knows the words of every cluster wherever it runs
        _submitit()("logs", cluster="debug").update_parameters(**parameters)
    except (NameError, AssertionError) as error:
        wrong = str(error).partition("Known executors")[0]
        raise UsageError(
            f"slurm: {wrong.strip()}", "For example: slurm: {partition: gpu, time: 60}."
        ) from None
    return parameters


def _job(run: SweepRun, folder: Path, environment: dict[str, str | None]) -> RunJob:
    settings = run.config.model_dump(mode="json")
    return RunJob(settings, str(run.folder), str(folder.absolute() / ERROR), environment)


def _new_log(run: SweepRun, logs: Path) -> Path:
    """A folder for the log of one start. Never an old one: submitit names files by process ids, which come again."""
    earlier = [int(start.name) for start in starts_of(run, logs)]
    folder = logs / run.name / str(1 + max(earlier, default=0))
    folder.mkdir(parents=True)
    return folder


def _environment(slot: int, parallel: int) -> dict[str, str | None]:
    """Give the runs of one machine a GPU each, in turn, and their share of its cores.

    submitit hides every GPU from a local job that asks for none, hence CUDA_VISIBLE_DEVICES is set in any case.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = [str(n) for n, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]
    gpus = found if given is None else [name for name in given.split(",") if name]
    shown: dict[str, str | None] = {
        "CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)] if gpus else given
    }
    if parallel > 1 and "OMP_NUM_THREADS" not in os.environ:
        shown["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // parallel))
    return shown


def _here(run: SweepRun, folder: Path) -> Job:
    log = folder / "log.txt"
    try:
        _job(run, folder, {})()
    except Exception:  # noqa: BLE001 - it is told as a failed run, and the others go on
        log.write_text(traceback.format_exc(), encoding="utf-8")
    return _Ended(log)


class _Ended:
    """A run that was over before anyone could ask."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def done(self) -> bool:
        return True

    def cancel(self) -> None:
        """Nothing runs any more."""


class _Submitted:
    """A job of submitit's."""

    def __init__(self, job: Any) -> None:
        self.job = job
        self.log = Path(os.path.relpath(job.paths.stderr))

    def done(self) -> bool:
        return bool(self.job.done())

    def cancel(self) -> None:
        self.job.cancel(check=False)
