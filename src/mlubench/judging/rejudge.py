"""Judges a finished run again, by one judge or several; answers stay, and no model is loaded but a judge's own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

from mlubench.core.errors import UsageError
from mlubench.core.reading import as_it_stands
from mlubench.judging.batch import batch_step, require_collected
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import Unjudged, judge_cells, unjudged
from mlubench.judging.scoring import build_results
from mlubench.judging.table import JUDGES
from mlubench.runs.folder import RunDir
from mlubench.runs.opening import open_run
from mlubench.runs.results import Results
from mlubench.settings.loading import overridden
from mlubench.settings.run import Config
from mlubench.types import AskingJudge

Say = Callable[[str], None]


class Forecast(TypedDict):
    """What judging a run would take. Judges that ask a model say the rest too."""

    judge: str
    cells: int
    questions: int
    calls: int
    prompt_tokens: NotRequired[int]
    completion_tokens: NotRequired[int]
    money: NotRequired[float | None]  # dollars; None where the price is not known
    seconds: NotRequired[float]


def rejudge(
    root: Path,
    judges: Sequence[str],
    overrides: Sequence[str] = (),
    *,
    batch: bool = False,
    say: Say = lambda _: None,
) -> Results | None:
    """The results with the cells of every judge named; None while a batch is under way.

    Verdicts that are there already are kept; what was left unscored is judged again. `overrides` are
    `judging.key=value`. `say` gets a line for the user now and then.
    """
    _check_judges(judges)
    run = open_run(root)
    tools = _tools(run.config, overrides)
    names = list(dict.fromkeys(judges))
    with run.folder.lock():
        collected = True
        for name in names:
            todo = unjudged(run.folder, name, tools)
            if batch:
                if not batch_step(run.folder, todo, say):
                    collected = False
                    continue
            else:
                require_collected(run.folder, name)
            _judge(run.folder, todo, say)
        if not collected:
            return None
        return build_results(run, names)


def foresee(
    root: Path, judges: Sequence[str], overrides: Sequence[str] = (), *, batch: bool = False
) -> list[Forecast]:
    """What judging would ask, cost and take by each judge, without asking anything."""
    _check_judges(judges)
    run = open_run(root)
    tools = _tools(run.config, overrides)
    rows = []
    for name in dict.fromkeys(judges):
        todo = unjudged(run.folder, name, tools)
        questions = todo.questions()
        row: Forecast = {
            "judge": name,
            "cells": len(todo.cells),
            "questions": len(questions),
            "calls": 0,
        }
        judge = todo.judge
        if isinstance(judge, AskingJudge):
            # A judge of another package may say anything.
            takes = {**row, **judge.forecast(questions, batch=batch)}
            row = as_it_stands(takes, Forecast, f"the forecast of judge {name}", "Mend the judge.")
        rows.append(row)
    return rows


def _judge(run: RunDir, todo: Unjudged, say: Say) -> None:
    judge = todo.judge
    if not isinstance(judge, AskingJudge) or not todo.cells:
        judge_cells(run, todo)
        return
    for notice in judge.notices():
        say(f"Note: {notice}")
    try:
        judge_cells(run, todo)
    finally:
        # Also where it failed: what was spent is spent.
        say(f"{todo.judge.name}: {judge.account()}")


def _check_judges(judges: Sequence[str]) -> None:
    """UsageError for a judge that is in no table."""
    for name in judges:
        JUDGES.row(name)


def _tools(config: Config, overrides: Sequence[str]) -> JudgeTools:
    """What judges are made with, where `overrides` change the run's settings of judges, and nothing else."""
    for override in overrides:
        if not override.startswith("judging."):
            raise UsageError(
                f"-s {override}: a finished run's settings stay", "Only judging.* can be set here."
            )
    changed = overridden(config, list(overrides))
    return JudgeTools(changed.judging, changed.device, changed.model.plugins)
