"""What a sweep's job does, and the loop that keeps several jobs going at once and tells what became of each."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_atomic
from mlubench.core.locks import locked
from mlubench.settings.loading import parse
from mlubench.settings.run import Config
from mlubench.studies.sweep.grid import ERROR, SweepRun, is_busy, is_finished

# torch is imported where it is used: a job process first learns here which GPU it may see.


class Job(Protocol):
    """A run that was started."""

    log: Path

    def done(self) -> bool: ...
    def cancel(self) -> None: ...


# (run, slot): of the runs going on at once, each has a slot of its own.
Start = Callable[[SweepRun, int], Job]


@dataclass
class SweepProgress:
    """What became of each run, by name."""

    total: int
    finished: list[str] = field(default_factory=list)
    failed: dict[str, tuple[str, Path]] = field(default_factory=dict)  # the reason and its log
    running: dict[str, Job] = field(default_factory=dict)

    def __str__(self) -> str:
        finished = len(self.finished)
        running = len(self.running)
        failed = len(self.failed)
        waiting = self.total - finished - running - failed
        return f"{finished} finished, {running} running, {failed} failed, {waiting} waiting"


@dataclass(frozen=True)
class RunJob:
    """One run as a call that submitit can pickle and, after a preemption or at the time limit of SLURM, start again."""

    settings: dict[str, Any]  # the whole configuration, as in config.yaml
    folder: str
    error: str  # the file for the one line that says why the run failed
    environment: dict[str, str | None]  # set before torch is imported; None takes a variable out

    def __call__(self) -> None:
        for name, value in self.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        try:
            run_one(parse(self.settings), Path(self.folder))
        except Exception as error:
            # Our own errors say what happened; of others the type says most.
            what = f"{type(error).__name__}: {error}"
            if isinstance(error, MlubenchError):
                what = str(error)
            write_atomic(Path(self.error), " ".join(what.split()) + "\n")
            raise

    def checkpoint(self) -> Any:
        """What submitit starts again: the same call, since a run goes on from its folder by itself."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def run_one(config: Config, folder: Path) -> None:
    """One run to its end. Runs that start from the same base wait for the first to make it, rather than each making it."""

    from mlubench.core.cache import cache_root
    from mlubench.core.console import plain_console
    from mlubench.experiment.prepare import open_benchmark
    from mlubench.experiment.sequence import run_lifelong
    from mlubench.models.bases import make_base
    from mlubench.models.quiet import quiet

    quiet()
    cache_root().mkdir(parents=True, exist_ok=True)
    with locked(cache_root() / "sweep.lock"):
        benchmark = open_benchmark(config)
        if config.model.path is None:
            make_base(config.model, benchmark, device=config.device)
    run_lifelong(config, folder, plain_console(stderr=True))


def run_all(
    runs: list[SweepRun],
    start: Start,
    *,
    logs: Path,
    parallel: int,
    tell: Callable[[str], None],
    wait: float = 1.0,
) -> SweepProgress:
    """Start every run that is not finished, `parallel` at once, and wait for all. A failed run does not stop the others.

    A run whose folder another process holds is left until it is free. On any exception, Ctrl-C among them, the running jobs
    are cancelled. `wait` is in seconds.
    """
    progress = SweepProgress(len(runs), [run.name for run in runs if is_finished(run)])
    remaining = [run for run in runs if run.name not in progress.finished]
    by_slot: dict[int, SweepRun] = {}
    tell(str(progress))
    for run in remaining:
        if is_busy(run):
            tell(f"another process is working in {run.folder}: left until it is done")
    try:
        while remaining or by_slot:
            for slot in set(range(parallel)) - by_slot.keys():
                next_run = _take_next(remaining, progress)
                if next_run is not None:
                    by_slot[slot] = next_run
                    tell(f"start {next_run.name}")
                    progress.running[next_run.name] = start(next_run, slot)
            ended = [slot for slot, run in by_slot.items() if progress.running[run.name].done()]
            for slot in ended:
                outcome = _settle(by_slot.pop(slot), progress)
                tell(f"{outcome} ({progress})")
            if not ended:
                time.sleep(wait)
    except BaseException:  # Ctrl-C, or a full disk: no job is left without anyone to watch it
        if progress.running:
            tell(_cancel(progress.running))
        raise
    return progress


def _take_next(remaining: list[SweepRun], progress: SweepProgress) -> SweepRun | None:
    """Take the first run that nobody works on; one that another process has finished meanwhile is counted."""
    for run in list(remaining):
        if is_busy(run):
            continue
        remaining.remove(run)
        if not is_finished(run):
            return run
        progress.finished.append(run.name)
    return None


def _settle(run: SweepRun, progress: SweepProgress) -> str:
    """Count a run whose job has ended, and say what became of it."""
    job = progress.running.pop(run.name)
    if is_finished(run):
        progress.finished.append(run.name)
        return f"finished {run.name}"
    error = job.log.parent / ERROR
    reason = "it ended without a word: killed, or out of memory or time"
    if error.is_file():
        reason = error.read_text(encoding="utf-8", errors="replace").strip()
    progress.failed[run.name] = reason, job.log
    return f"failed {run.name}: {reason} Log: {job.log}"


def _cancel(running: dict[str, Job], seconds: float = 15) -> str:
    """Cancel jobs, wait a little for them to end, and say what became of them."""
    for job in running.values():
        job.cancel()
    until = time.monotonic() + seconds
    remaining = _not_done(running)
    while remaining and time.monotonic() < until:
        time.sleep(0.2)
        remaining = _not_done(running)
    outcome = f"cancelled {len(running) - len(remaining)} running jobs"
    if remaining:
        outcome += f"; asked to stop, but not seen to end yet: {', '.join(remaining)}"
    return outcome


def _not_done(running: dict[str, Job]) -> list[str]:
    return [name for name, job in running.items() if not job.done()]
