"""A run folder that version 0.1.0 wrote opens, is reported, is judged anew and answers.

`tests/fixtures/run-0.1` is the smoke preset with methods ga and lumoe, rank 1 and 6 samples a split. What can be made
anew is left out of it: the report and the features of pictures.
"""

import json
import subprocess
import sys
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from mlubench import runs
from mlubench.core.reading import read_json
from mlubench.judging.rejudge import rejudge
from mlubench.report.html import write_report
from mlubench.runs.rows import read_answers, read_verdicts, write_answers, write_verdicts
from mlubench.runs.status import status_of
from mlubench.types import Benchmark
from support.paths import FIXTURES
from support.runs import HARM_KEYS, call

OLD = FIXTURES / "run-0.1"
NO_TORCH = """
import sys
from mlubench import runs
run = runs.open(sys.argv[1])
run.results(), run.facts, run.answers("lumoe", "A", "B"), run.verdicts("rules", "lumoe", "A", "B")
assert not {"torch", "transformers"} & set(sys.modules)
"""
COMMAND_WITHOUT_TORCH = """
import sys
from mlubench.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
assert not {"torch", "transformers"} & set(sys.modules)
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return copytree(OLD, tmp_path / "old")


def test_it_opens() -> None:
    run = runs.open(OLD)
    assert run.order == ["A", "B"]
    assert run.config.methods == ["ga", "lumoe"]
    assert run.facts.versions["mlubench"] == "0.1.0"
    assert run.archived("lumoe") == ["A", "B"]
    answers = run.answers("lumoe", "A", "B")
    assert len(answers) == 12
    assert {answer.split for answer in answers} == {"forget", "retain"}
    assert all(answer.route is not None for answer in answers)
    assert [v.id for v in run.verdicts("rules", "lumoe", "A", "B")] == [a.id for a in answers]
    assert run.results().methods == ["ga", "lumoe"]
    assert status_of(OLD).state == "finished"


def test_results_and_lines_are_written_as_they_were(tmp_path: Path) -> None:
    """The same keys in the same order, and every number to its last digit."""
    run = runs.open(OLD)
    run.results().write(tmp_path / "results.json")
    assert (tmp_path / "results.json").read_bytes() == run.folder.results.read_bytes()
    files = run.folder.answer_files()
    assert len(files) == 12
    for file in files:
        write_answers(tmp_path / "lines", read_answers(file.path))
        assert (tmp_path / "lines").read_bytes() == file.path.read_bytes()
        verdicts = run.folder.verdicts("rules", file.method, file.task, file.after)
        write_verdicts(tmp_path / "lines", read_verdicts(verdicts))
        assert (tmp_path / "lines").read_bytes() == verdicts.read_bytes()


def test_it_is_reported(old: Path) -> None:
    page = write_report(old).read_text()
    assert "LUMoE + oracle" in page
    assert "pictures could not be shown" in page


def test_judged_anew_it_has_the_same_results(old: Path) -> None:
    before = (old / "results.json").read_text()
    rmtree(old / "verdicts")
    assert rejudge(old, ["rules"]) is not None
    after = json.loads((old / "results.json").read_text())
    # Keys that results have since.
    assert after.pop("endings")
    # An older run has no answers of references.
    assert after.pop("references") == after.pop("reference_comparisons") == []
    for gate in after["gates"]:
        for key in HARM_KEYS:
            gate.pop(key, None)
    assert json.dumps(after) == json.dumps(json.loads(before))


def test_opening_loads_no_torch() -> None:
    subprocess.run([sys.executable, "-c", NO_TORCH, OLD], check=True)


@pytest.mark.parametrize("command", ["judge RUN --judge rules", "report RUN", "status RUN"])
def test_looking_and_judging_by_rules_load_no_torch(command: str, old: Path) -> None:
    words = [str(old) if word == "RUN" else word for word in command.split()]
    code = [sys.executable, "-c", COMMAND_WITHOUT_TORCH, *words]
    subprocess.run(code, check=True, capture_output=True)


def test_it_answers(old: Path, whole_benchmark: Benchmark, base_path: Path) -> None:
    rows = runs.open(old).answers("lumoe", "B", "B")
    row = next(row for row in rows if row.split == "forget" and row.route and row.route.experts)
    picture = whole_benchmark.image_root / row.image
    called = call("ask", old, "--json", "--image", picture, row.question)
    # Another processor, or another number of threads, rounds otherwise and trains a base that is not this one to the last
    # bit. The experts were not made for it.
    manifest = read_json(old / "models" / "lumoe" / "B" / "manifest.json", dict)
    trained_here = read_json(base_path / "manifest.json", dict)["files"]["model.safetensors"]
    if trained_here != manifest["base_sha256"]["model.safetensors"]:
        assert called.code == 1
        assert "was made for other weights" in called.err
        return
    assert called.code == 0, called.err
    said = json.loads(called.out)
    assert said["route"]["experts"] == list(row.route.experts)
    assert said["answer"] == row.response
