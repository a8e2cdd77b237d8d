"""A judge from outside that asks a model is treated as our own are: all cells at once, watched, and foreseen."""

from pathlib import Path
from shutil import copytree
from typing import ClassVar

import pytest

from mlubench.judging.rejudge import foresee, rejudge
from mlubench.judging.run import has_version
from mlubench.judging.table import JUDGES
from mlubench.runs.folder import KNOW, RunDir
from mlubench.types import Question, Verdict
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
