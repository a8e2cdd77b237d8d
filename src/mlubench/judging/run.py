"""Has a run's answers judged: which cells are still to be judged, by whom, and where the verdicts go."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress
from typing_extensions import TypedDict

from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_json
from mlubench.core.progress import progress_bar
from mlubench.core.reading import read_json
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.table import JUDGES
from mlubench.runs.folder import BASE, KNOW, RunDir
from mlubench.runs.rows import read_answers, read_verdicts, write_verdicts
from mlubench.runs.wholeness import damage, record, require_whole
from mlubench.types import AnswerRow, AskingJudge, Judge, Question, Verdict, VerdictRow


def make_judge(
    name: str, references: Iterable[tuple[str, str]], tools: JudgeTools | None = None
) -> Judge:
    """The judge of that name.

    One that asks a model is made with `tools`. Any other may read `references`, the (class, truth) pairs of the whole
    benchmark, to tell what is specific from what is common.
    """
    factory: Callable[..., Judge] = JUDGES.resolve(name)
    _, model = JUDGES.row(name)
    if model:
        return factory(name, tools or JudgeTools())
    return factory(sorted(set(references)))


def has_version(name: str) -> bool:
    """Whether the judge of that name leaves a file in the run that says which version of it judged."""
    _, model = JUDGES.row(name)
    # Verdicts of a model always depend on more than the name. Such a judge may need a folder or a key to be made.
    return bool(model) or make_judge(name, ()).version is not None


def judge_of(run: RunDir, name: str, tools: JudgeTools | None = None) -> Judge:
    """The judge as the run knows it: its references are the truths of all answers of the base."""
    references = []
    for file in run.answer_files(BASE):
        references += [(row.cls, row.truth) for row in read_answers(file.path)]
    return make_judge(name, references, tools)


class _JudgeVersion(TypedDict):
    """What lies beside the verdicts of a judge that has a version."""

    judge: str
    version: str


@dataclass(frozen=True, slots=True)
class UnjudgedCell:
    """A file of answers, and where its verdicts go."""

    answers: Path
    verdicts: Path


@dataclass(frozen=True, slots=True)
class Unjudged:
    """The cells of a run that a judge has still to judge."""

    judge: Judge
    cells: tuple[UnjudgedCell, ...]

    def questions(self) -> list[Question]:
        questions = []
        for cell in self.cells:
            questions += [row.to_judge() for row in read_answers(cell.answers)]
        return questions


def unjudged(run: RunDir, name: str, tools: JudgeTools | None = None) -> Unjudged:
    """What is to be judged by that judge: cells without verdicts, and cells of which an answer was left unscored.

    Verdicts of the same judge in another version, of its code or with other settings, count for nothing.
    """
    judge = judge_of(run, name, tools)
    stale = _is_stale(run, judge)
    cells = []
    for file in run.answer_files():
        # What the base knows is in no cell, and rules judge it already: not worth paying for.
        if isinstance(judge, AskingJudge) and file.task == KNOW:
            continue
        require_whole(run, file)
        verdicts = run.verdicts(name, file.method, file.task, file.after)
        if stale or not _is_judged(run, file.path, verdicts):
            cells.append(UnjudgedCell(file.path, verdicts))
    return Unjudged(judge, tuple(cells))


def _is_judged(run: RunDir, answers: Path, verdicts: Path) -> bool:
    """Whether every answer of the cell has a score, in a file that is as the run wrote it."""
    if not verdicts.is_file() or damage(run, verdicts):
        return False
    try:
        rows = read_verdicts(verdicts)
    except MlubenchError:
        # A broken line: the whole cell is judged anew.
        return False
    judged = [row.id for row in rows if row.score is not None]
    return judged == [row.id for row in read_answers(answers)]


def judge_run(run: RunDir, name: str, tools: JudgeTools | None = None) -> None:
    """Judge every cell answered so far."""
    judge_cells(run, unjudged(run, name, tools))


def judge_cells(run: RunDir, todo: Unjudged) -> None:
    """Judge the cells and write their verdicts.

    A judge that asks a model gets all cells at once: it asks many questions side by side, and each different one once.
    """
    judge = todo.judge
    with progress_bar() as bar:
        if isinstance(judge, AskingJudge):
            _show_progress(judge.name, judge, bar)
            _judge_together(run, judge, todo.cells)
        else:
            for cell in todo.cells:
                _judge_together(run, judge, [cell])


def _judge_together(run: RunDir, judge: Judge, cells: Sequence[UnjudgedCell]) -> None:
    answers = [read_answers(cell.answers) for cell in cells]
    verdicts = iter(judge.judge([row.to_judge() for rows in answers for row in rows]))
    # Only now: a judge that fails leaves the verdicts of its other version where they are.
    _clear_other_version(run, judge)
    for cell, rows in zip(cells, answers, strict=True):
        write_verdicts(cell.verdicts, _verdict_rows(rows, verdicts))
        record(run, cell.verdicts)


def judge_cell(answers: Path, verdicts: Path, judge: Judge) -> None:
    """Write one verdict a line of answers, unless they are there."""
    if not verdicts.is_file():
        rows = read_answers(answers)
        found = judge.judge([row.to_judge() for row in rows])
        write_verdicts(verdicts, _verdict_rows(rows, iter(found)))


def _verdict_rows(answers: Iterable[AnswerRow], verdicts: Iterator[Verdict]) -> list[VerdictRow]:
    """The next verdicts, one for each answer."""
    rows = []
    for answer in answers:
        verdict = next(verdicts, None)
        if verdict is None:
            raise MlubenchError(
                "the judge gave fewer verdicts than there are answers",
                "A judge returns one verdict for each question, in their order.",
            )
        row = VerdictRow(answer.id, answer.metric, verdict.score, verdict.why, verdict.facts)
        rows.append(row)
    return rows


def _show_progress(name: str, judge: AskingJudge, bar: Progress) -> None:
    """Let the bar show how far the judge is, and what it has spent."""
    task = bar.add_task(f"judging by {name}", total=None)

    def update(done: int, of: int) -> None:
        description = f"judging by {name} ({judge.account()})"
        bar.update(task, completed=done, total=of, description=description)

    judge.watch = update


def _is_stale(run: RunDir, judge: Judge) -> bool:
    """Whether the verdicts that lie there are of another version of the judge, or of an unknown one."""
    if judge.version is None:
        return False
    path = run.judge_version(judge.name)
    return not path.is_file() or read_json(path, _JudgeVersion)["version"] != judge.version


def _clear_other_version(run: RunDir, judge: Judge) -> None:
    """Remove the verdicts of the same judge in another version. Replies that were paid for lie elsewhere and stay."""
    if _is_stale(run, judge):
        shutil.rmtree(run.judged(judge.name), ignore_errors=True)
        assert judge.version is not None, "only a judge with a version is ever stale"
        version: _JudgeVersion = {"judge": judge.name, "version": judge.version}
        write_json(run.judge_version(judge.name), version)
