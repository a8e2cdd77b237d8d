"""Has a run's answers judged: what is still to be judged, by whom, and where the verdicts go."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from mlubench.core.files import read_json, write_json
from mlubench.core.lines import read_lines, write_lines
from mlubench.core.progress import progress_bar
from mlubench.judging.llm.judge import LLMJudge
from mlubench.judging.llm.making import JudgeTools
from mlubench.judging.table import JUDGES
from mlubench.runs.folder import RunDir
from mlubench.types import METRIC_OF, Judge, Question, Verdict

CLAIM = "judge.json"


def make_judge(
    name: str, references: Iterable[tuple[str, str]], tools: JudgeTools | None = None
) -> Judge:
    """The judge of that name. One that asks a model is made with `tools`; any other may read all (class, truth) pairs, to
    tell what is specific from what is common.
    """
    factory, (_, argument) = JUDGES.resolve(name), JUDGES.row(name)
    judge: Judge = (
        factory(name, tools or JudgeTools()) if argument else factory(sorted(set(references)))
    )
    return judge


def question_of(row: dict[str, Any]) -> Question:
    """What the judge is shown of one line of answers."""
    metric = METRIC_OF["forget" if row["split"] == "forget" else "retain"]
    return Question(metric, row["entity"], row["question"], row["truth"], row["response"])


@dataclass(frozen=True, slots=True)
class Unjudged:
    """The cells of a run that a judge has still to judge: their answers and where the verdicts go."""

    judge: Judge
    cells: tuple[tuple[Path, Path], ...]

    def questions(self) -> list[Question]:
        return [question_of(row) for answers, _ in self.cells for row in read_lines(answers)]


def judge_of(run: RunDir, name: str, tools: JudgeTools | None = None) -> Judge:
    """The judge as the run knows it: its references are the truths of all answers of the base."""
    rows = [
        row
        for path in sorted((run.root / "answers" / "base").glob("*-U*.jsonl"))
        for row in read_lines(path)
    ]
    return make_judge(name, [(row["entity"].split("/")[0], row["truth"]) for row in rows], tools)


def unjudged(run: RunDir, name: str, tools: JudgeTools | None = None) -> Unjudged:
    """What is to be judged by that judge: cells without verdicts, and cells of which an answer was left unscored.

    Verdicts of the same judge in another version, of its code or with other settings, count for nothing.
    """
    files = sorted((run.root / "answers").glob("*/*-U*.jsonl"))
    judge = judge_of(run, name, tools)
    stale = _version(judge) not in (None, _claimed(run, name))
    cells = []
    for path in files:
        if isinstance(judge, LLMJudge) and path.stem.startswith("know-U"):
            continue  # in no cell, and judged by rules already
        verdicts = run.verdicts(name, path.parent.name, *path.stem.rsplit("-U", 1))
        if (
            stale
            or not verdicts.is_file()
            or any(row["score"] is None for row in read_lines(verdicts))
        ):
            cells.append((path, verdicts))
    return Unjudged(judge, tuple(cells))


def judge_cells(run: RunDir, todo: Unjudged) -> None:
    """Write one verdict a line of answers. No model is run but the judge's own.

    A judge that asks a model is given all cells at once, so that the same answer is asked once and none waits for a cell's
    last; any other gets one cell at a time, since it may look at its batch as a whole.
    """
    judge = todo.judge
    groups = [todo.cells] if isinstance(judge, LLMJudge) else [(cell,) for cell in todo.cells]
    with progress_bar() as bar:
        if isinstance(judge, LLMJudge):
            _watch(judge, bar)
        for group in groups:
            rows = [read_lines(answers) for answers, _ in group]
            found = iter(judge.judge([question_of(row) for part in rows for row in part]))
            _claim(run, judge)
            for (_, verdicts), part in zip(group, rows, strict=True):
                write_lines(verdicts, [_verdict_row(row, next(found)) for row in part])


def judge_cell(answers: Path, verdicts: Path, judge: Judge) -> None:
    """Write one verdict a line of answers, unless they are there."""
    if not verdicts.is_file():
        rows = read_lines(answers)
        found = judge.judge([question_of(row) for row in rows])
        write_lines(verdicts, [_verdict_row(row, v) for row, v in zip(rows, found, strict=True)])


def _watch(judge: LLMJudge, bar: Progress) -> None:
    """Let the bar show how far the judge is, and what it has spent."""
    task = bar.add_task(f"judging by {judge.name}", total=None)
    judge.watch = lambda done, of: bar.update(
        task,
        completed=done,
        total=of,
        description=f"judging by {judge.name} ({judge.source.account()})",
    )


def judge_run(run: RunDir, name: str, tools: JudgeTools | None = None) -> None:
    """Judge every cell answered so far."""
    judge_cells(run, unjudged(run, name, tools))


def _claim(run: RunDir, judge: Judge) -> None:
    """Clear away the verdicts of the same judge in another version; replies that were paid for are still kept."""
    version = _version(judge)
    if version is not None and _claimed(run, judge.name) != version:
        shutil.rmtree(run.judged(judge.name), ignore_errors=True)
        write_json(run.judged(judge.name) / CLAIM, {"judge": judge.name, "version": version})


def _claimed(run: RunDir, name: str) -> str | None:
    """The version of the judge whose verdicts lie there."""
    path = run.judged(name) / CLAIM
    return str(read_json(path)["version"]) if path.is_file() else None


def _version(judge: Judge) -> str | None:
    """What tells apart verdicts of one name; None of a judge that has but one version."""
    return getattr(judge, "version", None)


def _verdict_row(row: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    made = {
        "id": row["id"],
        "metric": question_of(row).metric,
        "score": verdict.score,
        "why": verdict.why,
    }
    return {**made, "facts": dict(verdict.facts)} if verdict.facts else made
