"""A run under the published protocol: the plan, the training, the tests and the table all say so."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mlubench.core.files import read_manifest
from mlubench.experiment.know import dropped_facts
from mlubench.experiment.plan.parts import Plan
from mlubench.experiment.plan.plan import plan_run
from mlubench.experiment.sequence import run_lifelong
from mlubench.report.table import render_table
from mlubench.runs.folder import RunDir
from mlubench.runs.results import Results
from mlubench.settings.loading import load
from mlubench.types import Benchmark, Sample

SETTINGS = [
    "device=cpu",
    "benchmark.protocol=published",
    "benchmark.order=[A]",
    "methods=[lumoe]",
    "train.epochs=1",
    "train.batch=32",
    "evaluate.limit=12",
    "evaluate.resamples=100",
]


@pytest.fixture(scope="module")
def run(cache: Path, base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    folder = tmp_path_factory.mktemp("published") / "run"
    run_lifelong(load("smoke", SETTINGS), folder, Console(quiet=True))
    return RunDir(folder)


@pytest.fixture(scope="module")
def results(run: RunDir) -> Results:
    from mlubench.runs.opening import open_run

    return open_run(run.root).results()


@pytest.fixture(scope="module")
def plan(run: RunDir) -> Plan:
    """What the dry run says beside the finished run."""
    return plan_run(load("smoke", SETTINGS), run.root)


def known(benchmark: Benchmark, run: RunDir, split: str) -> list[Sample]:
    dropped = dropped_facts(run)
    samples = benchmark.task("A").split(split)
    return [sample for sample in samples if sample.fact not in dropped]


def test_every_record_of_what_is_known_trains(benchmark: Benchmark, run: RunDir) -> None:
    trained = read_manifest(run.archive("lumoe", "A"))["train"]
    assert trained["samples"] == len(known(benchmark, run, "forget"))


def test_every_record_of_what_is_known_may_be_tested(
    benchmark: Benchmark, run: RunDir, results: Results
) -> None:
    assert results.run.benchmark.protocol == "published"
    for split in ("forget", "retain"):
        assert results.run.tested_samples["A"][split] == len(known(benchmark, run, split))


def test_the_base_is_asked_what_it_knows_on_held_out_pictures(
    benchmark: Benchmark, plan: Plan
) -> None:
    asked = next(row for row in plan.asked or [] if row.who == "base: what it knows")
    assert asked.questions == sum(
        sample.role == "calibrate" for sample in benchmark.task("A").samples
    )


def test_the_plan_trains_on_as_much_as_the_run(run: RunDir, plan: Plan) -> None:
    trained = read_manifest(run.archive("lumoe", "A"))["train"]
    assert plan.methods[0].tasks is not None
    assert plan.methods[0].tasks[0].steps == trained["steps"]


def test_resumed_it_takes_its_answers_for_whole_though_they_were_never_recorded(
    run: RunDir,
) -> None:
    """A run of an older version has no record of its files: the samples tell whether one is whole."""
    run.file_records.unlink()
    console = Console(width=120, record=True, file=StringIO())
    run_lifelong(load("smoke", SETTINGS), run.root, console)
    assert "asked for anew" not in console.export_text()


def test_the_table_says_so(results: Results) -> None:
    console = Console(width=120, record=True)
    with console.capture() as captured:
        console.print(render_table(results))
    text = captured.get()
    assert "published protocol" in text
    assert "Do not compare with held-out scores" in " ".join(text.split())
