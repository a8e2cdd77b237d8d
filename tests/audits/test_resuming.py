"""An audit that goes on: what it takes of an earlier one, what it asks anew, and what it says of the rest."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.audits.attack import Ask
from mlubench.audits.rows import read_rows
from mlubench.audits.systems.system import System
from mlubench.core.files import file_sha256, write_json
from mlubench.core.reading import read_json
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.runs.audits import Audit, WayRow, read_audit
from mlubench.runs.folder import RunDir
from mlubench.types import Route
from support.runs import Called, Finished, call


@pytest.fixture
def folder(finished: Finished, tmp_path: Path) -> Path:
    return copytree(finished.folder, tmp_path / "run")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of systems that are asked anything, once for each time that they are."""
    names: list[str] = []
    answers = System.answers

    def noted(self: System, asks: Sequence[Ask]) -> object:
        names.append(self.name)
        return answers(self, asks)

    monkeypatch.setattr(System, "answers", noted)
    return names


def audited(folder: Path, attacks: str, systems: str, *words: object) -> Called:
    called = call("audit", folder, "--attacks", attacks, "--systems", systems, *words)
    assert "Traceback" not in called.err
    return called


def found(folder: Path) -> Audit:
    audit = read_audit(RunDir(folder).audit)
    assert audit is not None
    return audit


def ways(audit: Audit, system: str) -> dict[str, WayRow]:
    return {row.way: row for row in audit.ways if row.system == system}


def test_an_archive_that_was_made_anew_is_asked_anew(folder: Path, said: list[str]) -> None:
    audited(folder, "plain", "npo,po", "--facts", 3)
    before = found(folder)
    del said[:]
    # As of a run that was made again: another adapter, which its manifest vouches for.
    run = RunDir(folder)
    changed = run.archive("npo", "B") / "adapter_model.safetensors"
    changed.write_bytes((run.archive("po", "B") / changed.name).read_bytes())
    manifest = read_json(changed.with_name("manifest.json"), dict)
    manifest["files"][changed.name] = file_sha256(changed)
    write_json(changed.with_name("manifest.json"), manifest)
    called = audited(folder, "plain", "npo,po", "--facts", 3)
    assert set(said) == {"npo"}
    assert "NPO was made anew since: 3 earlier answers are left out" in called.err
    after = found(folder)
    assert after.outdated == {"npo": 3}
    assert ways(after, "npo")["as it stands"].raw == ways(after, "po")["as it stands"].raw
    assert ways(after, "po") == ways(before, "po")


def test_what_relearning_leaves_out_decides_what_is_asked_anew(
    folder: Path, said: list[str]
) -> None:
    """A fact that was trained on under fewer targets may be asked for among more."""
    audited(folder, "relearning", "npo", "--facts", 3)
    at_once = ways(found(folder), "npo")
    audited(folder, "relearning", "npo", "--facts", 6)
    del said[:]
    # The rows of both stand beside each other.
    audited(folder, "relearning", "npo", "--facts", 3)
    assert said == []
    assert ways(found(folder), "npo") == at_once
    assert "made anew" not in audited(folder, "relearning", "npo", "--facts", 6).err


def test_where_no_fact_is_left_to_train_on_relearning_has_no_figure(folder: Path) -> None:
    called = audited(folder, "relearning", "npo,lumoe", "--fail-if", "relearning.leak>0.99")
    audit = found(folder)
    assert audit.facts["forgotten"] < 40
    for system in ("npo", "lumoe"):
        of_system = ways(audit, system)
        for way in ("8 forgotten facts, 5 steps", "8 forgotten facts, 30 steps"):
            row = of_system[way]
            assert (row.rate, row.n, row.failed) == (None, 0, audit.facts["forgotten"])
        assert of_system["8 kept facts, 30 steps"].rate is not None
    assert "queries got no answer (relearning)" in " ".join(called.out.split())
    rows = read_rows(RunDir(folder).audit_answers("npo", "relearning"))
    assert "no forget fact of A and B that no target asks for is left" in rows[0].failed


@pytest.fixture
def gate_down(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """LUMoE's gate fails, as where its endpoint is down."""
    route = Route(
        (), None, 0.0, "the gate failed: no connection; refused", refused=True, failed=True
    )
    with monkeypatch.context() as patch:
        patch.setattr(LUMoE, "routes", lambda self, queries: [route for _ in queries])
        yield patch


def test_a_gate_that_is_down_keeps_no_secret(folder: Path, gate_down: pytest.MonkeyPatch) -> None:
    called = audited(
        folder, "plain,strangers", "lumoe,gate-only", "--facts", 3, "--fail-if", "leak>0.5"
    )
    assert called.code == 1
    assert "leak>0.5: broken; not measured: plain" in called.err
    for row in found(folder).summary:
        if row.system != "base":
            assert (row.worst, row.any_way, row.failed) == (None, None, 3)
    gate_down.undo()
    called = audited(
        folder, "plain,strangers", "lumoe,gate-only", "--facts", 3, "--fail-if", "leak>0.5"
    )
    assert called.code == 0
    for row in found(folder).summary:
        assert row.worst is not None
        assert row.failed == 0


def test_what_is_kept_and_gets_no_answer_is_lost(
    folder: Path, gate_down: pytest.MonkeyPatch
) -> None:
    audited(folder, "lost", "lumoe", "--facts", 3)
    rates = {row.rate for row in found(folder).ways if row.system == "lumoe"}
    assert rates == {1.0}


def test_probabilities_are_not_read_behind_a_gate_that_is_down(
    folder: Path, gate_down: pytest.MonkeyPatch
) -> None:
    called = audited(folder, "memory", "lumoe", "--facts", 3)
    assert called.code == 1
    assert "the gate failed: no connection" in called.err


def test_a_probe_that_has_nothing_to_learn_from_has_no_figure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlubench.audits.targets.LESSONS", 0)
    # The small world has no question with four truths.
    monkeypatch.setattr("mlubench.audits.attack.RIVALS", 1)
    audited(folder, "probe", "npo", "--facts", 2)
    assert [row.worst for row in found(folder).summary] == [None, None]


def test_a_broken_file_of_figures_is_said_before_anything_is_asked(
    folder: Path, said: list[str]
) -> None:
    RunDir(folder).audit.write_text('{"schema_ver')
    called = audited(folder, "plain", "npo", "--facts", 2)
    assert called.code == 1
    assert "Delete it" in called.error
    assert said == []


def test_a_narrower_audit_says_what_it_no_longer_shows(folder: Path, said: list[str]) -> None:
    audited(folder, "plain,names", "npo,po", "--facts", 2)
    whole = found(folder)
    called = audited(folder, "plain", "po", "--facts", 2)
    assert "not in audit.json any more: NPO, names" in called.err
    del said[:]
    again = audited(folder, "plain,names", "npo,po", "--facts", 2)
    assert "any more" not in again.err
    assert said == []
    assert found(folder) == whole


def test_pictures_of_general_questions_are_drawn_where_they_are_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlubench.audits.runner.MOST_GENERAL", 3)
    pictures = RunDir(folder).audit_pictures
    audited(folder, "plain", "npo", "--facts", 1000)
    assert not list(pictures.glob("counting-*"))
    audited(folder, "general-refused", "npo", "--facts", 1000)
    assert len(list(pictures.glob("counting-*"))) == 3


def test_a_bound_on_what_could_not_be_measured_is_broken(folder: Path) -> None:
    """The tiny base counts nothing right, so there is nothing to lose."""
    called = audited(
        folder, "general,lost", "gate-only", "--facts", 2, "--fail-if", "general.lost>0.9"
    )
    assert called.code == 1
    assert "general.lost>0.9: broken; not measured: general" in called.err
    # Audit and report are written all the same.
    assert found(folder).bounds[0].broken
    assert 'id="audit"' in (folder / "report.html").read_text()
    called = audited(folder, "general,lost", "gate-only", "--facts", 2, "--fail-if", "lost>0.9")
    assert called.code == 0
    assert "lost>0.9: kept, at most 0.000 (Gate only, lost); not measured: general" in called.err


def test_a_bound_that_nothing_is_held_against_is_said_before_anything_is_asked(
    folder: Path, said: list[str]
) -> None:
    called = audited(folder, "plain", "npo", "--fail-if", "plain.lost>0.1")
    assert called.code == 2
    assert "nothing of this audit" in called.error
    assert said == []
