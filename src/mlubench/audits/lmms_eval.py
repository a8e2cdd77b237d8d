"""The field's general benchmarks: lmms-eval runs its tasks on systems that answer at an address of this machine.

lmms-eval (EvolvingLMMs-Lab/lmms-eval; this is written for 0.7) is a program of its own: it asks, judges and scores. Nothing
of it is imported.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import yaml
from pydantic import BaseModel, ConfigDict, Field

from mlubench.audits.runner import systems_of
from mlubench.audits.systems.system import System
from mlubench.audits.systems.table import system
from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.reading import read_json
from mlubench.experiment.finished import finished_context
from mlubench.runs.audits import Audit, LmmsEvalRow, read_audit
from mlubench.runs.folder import BASE
from mlubench.runs.opening import open_run

PROGRAM = "lmms-eval"
# What it writes in the place of an answer that it got none of; it scores it as it would any other.
_FAILED = "[LMMS_EVAL_REQUEST_FAILED"
# The colours of a terminal; and what stands before a line of its log: time, level and place.
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_LOGGED = re.compile(r"^\S+ \S+ \| \w+ +\| \S+ - ")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a system answers."""

    # With the version, as http://127.0.0.1:8001/v1.
    address: str
    model: str
    key: str
    # Requests that it takes at once.
    at_once: int


# Has an opened system answer at an address for as long as it is entered.
Serve = Callable[[System], AbstractContextManager[Endpoint]]


@dataclass(frozen=True, slots=True)
class Tasks:
    """What lmms-eval is to run."""

    names: tuple[str, ...]
    # Questions of each task at most; None: all of them.
    limit: int | None = None
    # A folder with tasks of the user's own.
    include: Path | None = None


class _Results(BaseModel):
    """What of a results file is read here."""

    model_config = ConfigDict(extra="ignore")

    # By task, `METRIC,FILTER` and `METRIC_stderr,FILTER`; what is no number is text beside them.
    results: dict[str, dict[str, object]]
    higher_is_better: dict[str, dict[str, bool | None]] = {}
    samples: dict[str, dict[str, int]] = Field(default={}, alias="n-samples")


def lmms_eval_run(root: Path, tasks: Tasks, wanted: Sequence[str], serve: Serve) -> Audit:
    """Have lmms-eval run tasks on the base and on these systems of a finished run, and write the scores to its audit.json.

    Raises UsageError where lmms-eval is not installed or a system is not there, and MlubenchError where it fails.
    """
    program = find_program()
    run = open_run(root)
    rows = []
    with run.folder.lock():
        names = systems_of(run, wanted)
        ctx = finished_context(run.folder)
        for name in names:
            opened = system(ctx, name)
            opened.open()
            with serve(opened) as endpoint:
                folder = run_tasks(program, tasks, endpoint, run.folder.lmms_eval(name))
            rows += rows_of(name, folder)
        audit = read_audit(run.folder.audit) or Audit()
        measured = {row.task for row in rows}
        # Of a task that is measured anew nothing stays: it may have had another number of questions.
        others = [row for row in audit.lmms_eval if row.task not in measured]
        audit = audit.model_copy(update={"lmms_eval": [*others, *against_base(rows)]})
        audit.write(run.folder.audit)
    return audit


def find_program() -> str:
    """The installed lmms-eval: beside this Python, else on the PATH. Raises UsageError where there is none."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(PROGRAM, path=beside) or shutil.which(PROGRAM)
    if found is None:
        raise UsageError(
            f"{PROGRAM} is not installed",
            "In an environment of its own run: pip install lmms-eval 'filelock<3.21'. Then put its bin folder on the PATH.",
        )
    return found


def run_tasks(program: str, tasks: Tasks, endpoint: Endpoint, root: Path) -> Path:
    """Run the tasks. Returns the new folder below `root` in which results, samples and a log lie.

    Raises MlubenchError with the program's last words where it fails.
    """
    root.mkdir(parents=True, exist_ok=True)
    today = datetime.now(UTC).strftime("%Y-%m-%d-")
    folder = Path(mkdtemp(prefix=today, dir=root))
    log = folder / "log.txt"
    with TemporaryDirectory() as private, log.open("wb") as out:
        # In a file and not on the command line, which everybody on this machine can read.
        settings = Path(private) / "settings.yaml"
        settings.write_text(yaml.safe_dump(_settings(tasks, endpoint, folder)))
        done = subprocess.run(
            [program, "eval", "--config", str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_environment(),
            check=False,
        )
    if done.returncode != 0 or not list(folder.rglob("*_results.json")):
        raise MlubenchError(f"{PROGRAM} failed: {_last_words(log)}", f"Its log is {log}.")
    return folder


def _settings(tasks: Tasks, endpoint: Endpoint, folder: Path) -> dict[str, object]:
    arguments = {
        "model": endpoint.model,
        "base_url": endpoint.address,
        "api_key": endpoint.key,
        "num_concurrent": endpoint.at_once,
        # What is wrong with a question is wrong with it again.
        "max_retries": 1,
        # A proxy has nothing to do with an address of this machine.
        "httpx_trust_env": False,
    }
    settings: dict[str, object] = {
        "model": "openai",
        "model_args": ",".join(f"{name}={value}" for name, value in arguments.items()),
        "tasks": ",".join(tasks.names),
        "batch_size": "1",
        "output_path": str(folder.resolve()),
        "log_samples": True,
    }
    if tasks.limit is not None:
        settings["limit"] = tasks.limit
    if tasks.include is not None:
        settings["include_path"] = str(tasks.include.resolve())
    return settings


def _environment() -> dict[str, str]:
    """Ours, without what would have it import our packages in the place of its own."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    plain = [_COLOUR.sub("", line).strip() for line in lines]
    last = next((line for line in reversed(plain) if line), "it said nothing")
    return _LOGGED.sub("", last)


def rows_of(name: str, folder: Path) -> list[LmmsEvalRow]:
    """Every score of a system. Raises MlubenchError for results that cannot be read."""
    (file,) = folder.rglob("*_results.json")
    found = read_json(file, _Results, f"Is this {PROGRAM} newer than 0.7?")
    rows = []
    for task, metrics in found.results.items():
        failed = _failures(file.parent, task)
        for metric, score, error in _scores(metrics):
            row = LmmsEvalRow(
                system=name,
                task=task,
                metric=metric,
                score=score,
                stderr=error,
                higher_is_better=found.higher_is_better.get(task, {}).get(metric),
                n=found.samples.get(task, {}).get("effective"),
                failed=failed,
            )
            rows.append(row)
    return rows


def _scores(metrics: Mapping[str, object]) -> list[tuple[str, float, float | None]]:
    """(metric, score, standard error) of a task, without what has no score."""
    found = []
    for key, value in metrics.items():
        metric, comma, kind = key.partition(",")
        score = _number(value)
        if comma and score is not None and "_stderr" not in metric:
            found.append((metric, score, _number(metrics.get(f"{metric}_stderr,{kind}"))))
    return found


def _number(value: object) -> float | None:
    """None for what is none, as the "N/A" of a score without an error."""
    return float(value) if isinstance(value, int | float) else None


def _failures(folder: Path, task: str) -> int:
    """Questions of a task that got no answer."""
    failed = 0
    # A group of tasks has no file of its own; its tasks have.
    for samples in folder.glob(f"*_samples_{task}.jsonl"):
        lines = samples.read_text(encoding="utf-8").splitlines()
        failed += sum(_FAILED in line for line in lines)
    return failed


def against_base(rows: Sequence[LmmsEvalRow]) -> list[LmmsEvalRow]:
    """The rows with their difference from the base's, which has none of its own."""
    of_base = {(row.task, row.metric): row.score for row in rows if row.system == BASE}
    found = []
    for row in rows:
        base = of_base.get((row.task, row.metric))
        difference = None
        if row.system != BASE and base is not None:
            difference = round(row.score - base, 6)
        found.append(row.model_copy(update={"difference": difference}))
    return found
