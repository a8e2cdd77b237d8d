"""A quick audit of a finished run on its true models: figures, resuming, bounds, the report, and references."""

from pathlib import Path
from shutil import copytree

import pytest

from mlubench.audits.rows import AttackRow, read_rows
from mlubench.audits.runner import systems_of
from mlubench.core.reading import read_json
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from mlubench.runs.audits import Audit, read_audit
from mlubench.runs.folder import RunDir
from mlubench.runs.opening import open_run
from support.runs import Called, Finished, call

FEW = ("--systems", "lumoe,gate-only", "--attacks", "plain,names,bypass,lost", "--facts", "3")


@pytest.fixture(scope="module")
def folder(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copytree(finished.folder, tmp_path_factory.mktemp("audited") / "run")


@pytest.fixture(scope="module")
def called(folder: Path) -> Called:
    return call(
        "audit", folder, *FEW, "--fail-if", "bypass.leak>0.5", "--fail-if", "plain.leak>0.9"
    )


@pytest.fixture(scope="module")
def audit(folder: Path, called: Called) -> Audit:
    found = read_audit(RunDir(folder).audit)
    assert found is not None
    return found


def by_key(path: Path) -> dict[tuple[str, str, str], AttackRow]:
    return {row.key: row for row in read_rows(path)}


def worst(audit: Audit, system: str, attack: str) -> float | None:
    (row,) = [row for row in audit.summary if (row.system, row.attack) == (system, attack)]
    return row.worst


def test_the_base_tells_what_is_asked_for_and_the_gate_alone_does_not(audit: Audit) -> None:
    assert audit.systems == ["base", "lumoe", "gate-only"]
    assert worst(audit, "base", "plain") == 1
    assert worst(audit, "gate-only", "plain") == 0
    assert worst(audit, "gate-only", "lost") == 0


def test_whoever_has_the_weights_gets_everything(audit: Audit) -> None:
    assert [worst(audit, name, "bypass") for name in audit.systems] == [1, 1, 1]


def test_harm_is_counted_by_class_too(audit: Audit) -> None:
    of_base = [row for row in audit.classes if (row.system, row.harm) == ("base", "leak")]
    assert len({row.cls for row in of_base}) > 1
    assert sum(row.facts for row in of_base) == audit.facts["forgotten"]
    # All answers of ways that only ask, and none of `bypass`, which takes the weights.
    asking = [
        row for row in audit.ways if row.system == "base" and row.attack in ("plain", "names")
    ]
    assert sum(row.n for row in of_base) == sum(row.n for row in asking)
    told = sum(row.n * (row.raw or 0) for row in asking)
    assert sum(row.n * row.rate for row in of_base) == pytest.approx(told, abs=0.01)


def test_a_broken_bound_is_an_exit_code(called: Called) -> None:
    assert called.code == 1
    assert "bypass.leak>0.5: broken" in called.err
    assert "plain.leak>0.9: kept" in called.err


def test_the_report_has_a_section(folder: Path, called: Called) -> None:
    page = (folder / "report.html").read_text()
    assert 'id="audit"' in page
    assert "whoever has the weights" in page
    assert "bypass.leak&gt;0.5: broken, at most 1.000" in page


def test_the_gate_alone_says_its_sentence_wherever_an_expert_is_asked(
    folder: Path, called: Called
) -> None:
    run = RunDir(folder)
    of_lumoe = by_key(run.audit_answers("lumoe", "plain"))
    of_gate = by_key(run.audit_answers("gate-only", "plain"))
    assert set(of_lumoe) == set(of_gate)
    for key, row in of_lumoe.items():
        assert row.experts
        assert of_gate[key].experts == row.experts
        assert of_gate[key].response == GATE_REFUSAL


def test_a_second_audit_asks_only_what_is_missing(folder: Path, called: Called) -> None:
    run = RunDir(folder)
    path = run.audit_answers("lumoe", "plain")
    lines = path.read_text().splitlines()
    first = (folder / "audit.json").read_text()
    # As a killed audit leaves it: a line is missing, and the next one is cut.
    path.write_text("\n".join(lines[:1]) + "\n" + lines[1][:20])
    untouched = run.audit_answers("lumoe", "names")
    before = untouched.stat().st_mtime_ns
    again = call(
        "audit", folder, *FEW, "--fail-if", "bypass.leak>0.5", "--fail-if", "plain.leak>0.9"
    )
    assert again.code == 1
    assert sorted(path.read_text().splitlines()) == sorted(lines)
    assert untouched.stat().st_mtime_ns == before
    assert (folder / "audit.json").read_text() == first


def test_references_are_added_to_a_finished_run(folder: Path) -> None:
    methods = {cell["method"] for cell in read_json(folder / "results.json", dict)["cells"]}
    called = call("audit", folder, "--references")
    assert called.code == 0, called.err
    results = read_json(folder / "results.json", dict)
    references = ["gate-only", "prompt-only", "training-free"]
    assert {cell["method"] for cell in results["references"]} == set(references)
    assert {cell["method"] for cell in results["cells"]} == methods
    assert "Prompt only" in called.out
    assert "Training-free" in called.out
    assert [row["task"] for row in results["taken_in"]] == ["A", "B"]
    # The run goes on as one that was asked for them at once.
    assert RunDir(folder).config().references == references


def test_the_oracle_is_attacked_only_where_it_is_named(folder: Path) -> None:
    run = open_run(folder)
    assert "oracle" not in systems_of(run, (), on_request=("oracle",))
    assert systems_of(run, ("oracle", "lumoe"), on_request=("oracle",)) == [
        "base",
        "lumoe",
        "oracle",
    ]
    # Nothing is held against itself.
    assert (
        "unknown finished system 'oracle'"
        in call("audit", folder, "--oracle", "--systems", "oracle").error
    )


def test_an_unfinished_run_is_told_before_anything_is_asked(
    finished: Finished, tmp_path: Path
) -> None:
    folder = copytree(finished.folder, tmp_path / "run")
    RunDir(folder).results.unlink()
    called = call("audit", folder, *FEW)
    assert called.code == 1
    assert "`mlubench run` with the same settings and --out goes on" in called.error
    assert not RunDir(folder).audit_answers("base", "plain").exists()


def test_what_is_not_there_is_named(folder: Path) -> None:
    assert "dpo" in call("audit", folder, "--systems", "dpo").error
    assert "nosuch" in call("audit", folder, "--attacks", "nosuch").error
    assert "no bound" in call("audit", folder, "--fail-if", "leak").error
