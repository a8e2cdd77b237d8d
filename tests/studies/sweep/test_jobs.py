"""Starting a sweep's runs: so many at once, failures that stop nothing, resumption and cancelling."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlubench.runs.folder import RunDir
from mlubench.studies.sweep import jobs
from mlubench.studies.sweep.executors import _new_log
from mlubench.studies.sweep.grid import ERROR, SweepRun, state_of
from mlubench.studies.sweep.jobs import RunJob, SweepProgress, run_all
from support.sweeps import finish, runs_of


@dataclass
class FakeJob:
    """A job that ends when it is asked for the `asks`-th time, by what `end` does."""

    log: Path
    end: Callable[[], object]
    asks: int = 2
    cancelled: bool = False

    def done(self) -> bool:
        self.asks -= 1
        if self.asks == 0 and not self.cancelled:
            self.end()
        return self.asks <= 0 or self.cancelled

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Fake:
    """Starts fake jobs and keeps who ran beside whom."""

    logs: Path
    ends: dict[int, Callable[[SweepRun, Path], object]] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    going: list[FakeJob] = field(default_factory=list)
    most: int = 0

    def __call__(self, run: SweepRun, slot: int) -> FakeJob:
        folder = _new_log(run, self.logs)
        self.started.append(run.config.seed)
        self.slots.append(slot)
        end = self.ends.get(run.config.seed, lambda run, _: finish(run))
        job = FakeJob(folder / "log", lambda: end(run, folder), asks=2 + run.config.seed % 2)
        self.going = [*(j for j in self.going if j.asks > 0), job]
        self.most = max(self.most, len(self.going))
        return job


def sweep(
    tmp_path: Path, fake: Fake, seeds: int = 5, parallel: int = 2
) -> tuple[SweepProgress, list[str]]:
    said: list[str] = []
    runs = runs_of({"seed": list(range(seeds))}, tmp_path)
    progress = run_all(
        runs, fake, logs=tmp_path / "logs", parallel=parallel, tell=said.append, wait=0
    )
    return progress, said


def test_no_more_run_at_once_than_asked_for(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "logs")
    progress, said = sweep(tmp_path, fake)
    assert (len(progress.finished), progress.failed, fake.most) == (5, {}, 2)
    assert sorted(fake.started) == [0, 1, 2, 3, 4]
    assert set(fake.slots) == {0, 1}
    assert said[0] == "0 finished, 0 running, 0 failed, 5 waiting"
    assert "(5 finished, 0 running, 0 failed, 0 waiting)" in said[-1]


def test_a_failed_and_a_killed_run_do_not_stop_the_others_and_start_again(tmp_path: Path) -> None:
    def fail(run: SweepRun, folder: Path) -> None:
        (folder / ERROR).write_text("the disk is full.\n")

    first = Fake(tmp_path / "logs", {1: fail, 3: lambda run, folder: None})
    progress, said = sweep(tmp_path, first)
    failed = runs_of({"seed": [1]}, tmp_path)[0]
    assert len(progress.finished) == 3
    reason, log = progress.failed[failed.name]
    assert reason == "the disk is full."
    assert any(f"failed {failed.name}: the disk is full. Log: {log} (" in line for line in said)
    assert any("killed" in line for line in said)
    assert state_of(failed, tmp_path / "logs") == "failed"
    untouched = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/results.json")}
    second = Fake(tmp_path / "logs")
    progress, said = sweep(tmp_path, second)
    assert said[0] == "3 finished, 0 running, 0 failed, 2 waiting"
    assert sorted(second.started) == [1, 3]
    assert (len(progress.finished), progress.failed) == (5, {})
    assert all(path.stat().st_mtime_ns == then for path, then in untouched.items())


def test_a_run_of_another_process_is_waited_for(tmp_path: Path) -> None:
    """Twice: one that is finished there is not started here, one that is given up there is."""
    for seed, ends_well in ((0, True), (1, False)):
        runs = runs_of({"seed": [seed]}, tmp_path)
        said: list[str] = []
        lock = RunDir(runs[0].folder).lock()
        lock.__enter__()
        naps = iter(range(3))

        def nap(_: float, naps=naps, lock=lock, run=runs[0], ends_well=ends_well) -> None:
            if next(naps, None) == 1:
                if ends_well:
                    finish(run)
                lock.__exit__(None, None, None)

        fake = Fake(tmp_path / "logs")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jobs.time, "sleep", nap)
            progress = run_all(runs, fake, logs=tmp_path / "logs", parallel=1, tell=said.append)
        assert any("another process" in line for line in said)
        assert fake.started == ([] if ends_well else [1])
        assert progress.finished == [runs[0].name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interruption_cancels_what_runs(error: type[BaseException], tmp_path: Path) -> None:
    def stop(run: SweepRun, folder: Path) -> None:
        raise error

    fake, said = Fake(tmp_path / "logs", {0: stop}), []
    runs = runs_of({"seed": [0, 1, 2]}, tmp_path)
    with pytest.raises(error):
        run_all(runs, fake, logs=tmp_path / "logs", parallel=2, tell=said.append, wait=0)
    assert [job.cancelled for job in fake.going] == [True, True]
    assert said[-1] == "cancelled 2 running jobs"
    assert fake.started == [0, 1]


def test_jobs_that_do_not_end_are_named() -> None:
    job = FakeJob(Path("log"), lambda: None, asks=10**9)
    job.cancel = lambda: None  # type: ignore[method-assign]
    assert jobs._cancel({"slow": job}, seconds=0) == (
        "cancelled 0 running jobs; asked to stop, but not seen to end yet: slow"
    )


def test_a_job_process_imports_neither_torch_nor_rich_before_its_environment_is_set() -> None:
    job = RunJob({}, "folder", "error", {})
    code = f"import pickle, sys; pickle.loads({pickle.dumps(job)!r}); print({{'torch', 'rich'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_requeued_job_is_the_same_call() -> None:
    job = RunJob({"seed": 1}, "folder", "error", {})
    again = job.checkpoint()
    assert again.function == job
    assert (again.args, again.kwargs) == ((), {})
