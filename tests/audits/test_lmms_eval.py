"""What lmms-eval is asked to do and what is made of its results: a contract test, with a stand-in for the program."""

import json
import os
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.audits.lmms_eval import against_base, find_program
from mlubench.audits.targets import Targets
from mlubench.core.errors import UsageError
from mlubench.runs.audits import Audit, LmmsEvalRow, read_audit
from mlubench.runs.folder import RunDir
from support.fake_lmms_eval import install
from support.runs import Called, Finished, call

# More than the tiny model can read.
TOO_LONG = "What is this? " * 2000


@pytest.fixture(scope="module")
def folder(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copytree(finished.folder, tmp_path_factory.mktemp("general") / "run")


@pytest.fixture(scope="module")
def own_tasks(targets: Targets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks: what is forgotten, and what is kept with a question that cannot be answered."""
    tasks = tmp_path_factory.mktemp("tasks")
    for name, about in (("gone", targets.forgotten), ("stays", targets.kept)):
        docs = []
        for target in about:
            truth = target.sample.truth
            docs.append(
                {"image": str(target.picture), "question": target.question, "answer": truth}
            )
        if name == "stays":
            docs[-1]["question"] = TOO_LONG
        (tasks / f"{name}.json").write_text(json.dumps(docs))
    return tasks


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with the stand-in on it."""
    programs = tmp_path_factory.mktemp("programs") / "bin"
    install(programs)
    return f"{programs}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def called(folder: Path, own_tasks: Path, path: str) -> Called:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        return call(
            *("audit", folder, "--lmms-eval", "gone,stays", "--lmms-include", own_tasks),
            *("--systems", "lumoe"),
        )


@pytest.fixture(scope="module")
def audit(folder: Path, called: Called) -> Audit:
    assert called.code == 0, called.err
    found = read_audit(RunDir(folder).audit)
    assert found is not None
    return found


def score(audit: Audit, system: str, task: str) -> LmmsEvalRow:
    (row,) = [row for row in audit.lmms_eval if (row.system, row.task) == (system, task)]
    return row


def test_scores_of_base_and_system_stand_beside_each_other(audit: Audit) -> None:
    base, lumoe = score(audit, "base", "gone"), score(audit, "lumoe", "gone")
    assert (base.metric, base.score, base.difference, base.stderr) == ("told", 1, None, 0.1)
    assert (lumoe.score, lumoe.difference) == (0, -1)
    assert score(audit, "lumoe", "stays").difference == 0
    assert base.n == 4
    assert base.higher_is_better is True


def test_a_question_without_an_answer_is_counted(audit: Audit) -> None:
    for system in ("base", "lumoe"):
        assert score(audit, system, "stays").failed == 1
        assert score(audit, system, "gone").failed == 0
        assert score(audit, system, "stays").score == 0.75


def test_terminal_and_page_show_the_scores(folder: Path, called: Called) -> None:
    assert "0.000 (-1.000)" in called.out
    page = (folder / "report.html").read_text()
    assert "General benchmarks, by lmms-eval" in page
    assert "0.000 (-1.000)" in page


def test_attacks_leave_the_scores_where_they_are(folder: Path, audit: Audit) -> None:
    attacked = call("audit", folder, "--attacks", "plain", "--systems", "gate-only", "--facts", "1")
    assert attacked.code == 0, attacked.err
    found = read_audit(RunDir(folder).audit)
    assert found is not None
    assert found.lmms_eval == audit.lmms_eval
    assert found.summary


def test_a_task_that_is_measured_again_is_replaced_and_others_stay(
    folder: Path, own_tasks: Path, path: str, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", path)
    again = call(
        *("audit", folder, "--lmms-eval", "gone", "--lmms-include", own_tasks),
        *("--systems", "gate-only", "--lmms-limit", 2),
    )
    assert again.code == 0, again.err
    found = read_audit(RunDir(folder).audit)
    assert found is not None
    assert {row.system for row in found.lmms_eval if row.task == "gone"} == {"base", "gate-only"}
    assert score(found, "gate-only", "gone").n == 2
    assert score(found, "lumoe", "stays") == score(audit, "lumoe", "stays")


def test_a_task_that_it_does_not_know_is_an_error_with_its_words(
    folder: Path, own_tasks: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", path)
    failed = call("audit", folder, "--lmms-eval", "nosuch", "--lmms-include", own_tasks)
    assert failed.code == 1
    assert "lmms-eval failed: Tasks not found: nosuch" in failed.error
    assert "log.txt" in failed.error


def test_without_the_program_the_error_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="lmms-eval is not installed"):
        find_program()
    assert "pip install lmms-eval" in call("audit", folder, "--lmms-eval", "pope").error


def test_its_options_need_it(folder: Path) -> None:
    assert "--lmms-eval" in call("audit", folder, "--lmms-limit", "3").error


def test_what_the_base_was_not_scored_on_has_no_difference() -> None:
    alone = LmmsEvalRow(system="lumoe", task="pope", metric="pope_f1_score", score=0.8)
    (row,) = against_base([alone])
    assert row.difference is None
