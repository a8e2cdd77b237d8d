"""A judge from outside that asks a model is treated as our own are: all cells at once, watched, and foreseen."""

from pathlib import Path
from shutil import copytree
from typing import ClassVar

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.judging.rejudge import foresee, rejudge
from mlubench.judging.run import has_version, judge_cell
from mlubench.judging.table import JUDGES
from mlubench.runs.folder import KNOW, RunDir
from mlubench.runs.rows import read_answers, write_answers
from mlubench.types import Question, Verdict
from support.paths import REPOSITORY
from support.runs import Finished


class OutsideJudge:
    """Asks nobody, but says that it does."""

    name = "outside"
    version = "1"
    judged: ClassVar[list[int]] = []  # how many questions each call brought

    def __init__(self, references: object) -> None:
        self.watch = None

    def judge(self, questions: list[Question]) -> list[Verdict]:
        self.judged.append(len(questions))
        if self.watch is not None:
            self.watch(len(questions), len(questions))
        return [Verdict(2, "good") for _ in questions]

    def check(self) -> None: ...

    def notices(self) -> list[str]:
        return ["it is expensive"]

    def account(self) -> str:
        return "3 dollars"

    def forecast(self, questions: list[Question], *, batch: bool) -> dict[str, int]:
        return {"calls": len(questions)}


def test_an_outside_judge_that_asks_a_model(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JUDGES, "_rows", dict(JUDGES._rows))
    JUDGES.register("outside", OutsideJudge)
    copytree(finished.folder, tmp_path / "run")
    run = RunDir(tmp_path / "run")
    (row,) = foresee(run.root, ["outside"])
    assert row["calls"] == row["questions"] > 0

    lines: list[str] = []
    assert rejudge(run.root, ["outside"], say=lines.append) is not None
    assert lines == ["Note: it is expensive", "outside: 3 dollars"]
    assert OutsideJudge.judged == [row["questions"]]  # all cells at once
    assert run.judge_version("outside").is_file()
    assert all(file.task != KNOW for file in run.verdict_files("outside"))


@pytest.mark.parametrize(
    ("name", "expected"), [("rules", True), ("shuffled", False), ("openai:x", True)]
)
def test_whether_a_version_file_is_left(name: str, expected: bool) -> None:
    assert has_version(name) is expected


def test_a_judge_that_says_too_little_is_one_line(tmp_path: Path) -> None:
    class Silent:
        name = "silent"
        version = None

        def judge(self, questions: list[Question]) -> list[Verdict]:
            return []

    answers = tmp_path / "answers.jsonl"
    row = next(
        iter(
            read_answers(
                REPOSITORY / "tests" / "fixtures" / "run-0.1" / "answers" / "base" / "A-U0.jsonl"
            )
        )
    )
    write_answers(answers, [row])
    with pytest.raises(MlubenchError, match="fewer verdicts than there are answers"):
        judge_cell(answers, tmp_path / "verdicts.jsonl", Silent())
    assert not (tmp_path / "verdicts.jsonl").exists()
