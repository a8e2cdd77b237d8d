"""Judge a finished run again, by one judge or several; answers stay, and no model is loaded but a judge's own."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlubench.core.errors import UsageError
from mlubench.core.files import read_json
from mlubench.judging.batch import batch_step, require_collected
from mlubench.judging.llm.endpoint import EndpointSource
from mlubench.judging.llm.judge import LLMJudge
from mlubench.judging.llm.making import JudgeTools, judge_notices
from mlubench.judging.run import judge_cells, unjudged
from mlubench.judging.scoring import build_results
from mlubench.judging.table import JUDGES
from mlubench.runs.folder import RunDir
from mlubench.settings.loading import overridden
from mlubench.settings.run import Config

Say = Callable[[str], None]


def rejudge(
    root: Path,
    judges: Sequence[str],
    overrides: Sequence[str] = (),
    *,
    batch: bool = False,
    say: Say = lambda _: None,
) -> dict[str, Any] | None:
    """The results with the cells of every judge named; None while a batch is under way.

    Verdicts that are there already are kept; what was left unscored is judged again. `overrides` are `judging.key=value`.
    """
    run, config, tools = _opened(root, judges, overrides)
    order = read_json(root / "run.json")["benchmark"]["tasks"]
    with run.lock():
        ready = True
        for name in dict.fromkeys(judges):
            todo = unjudged(run, name, tools)
            if not batch:
                require_collected(run, name)
            elif not batch_step(run, todo, say):
                ready = False
                continue
            _judge(run, todo, say)
        return build_results(run, config, order, list(dict.fromkeys(judges))) if ready else None


def foresee(
    root: Path, judges: Sequence[str], overrides: Sequence[str] = (), *, batch: bool = False
) -> list[dict[str, Any]]:
    """What judging would ask, cost and take by each judge, without asking anything."""
    run, _, tools = _opened(root, judges, overrides)
    rows = []
    for name in dict.fromkeys(judges):
        todo = unjudged(run, name, tools)
        questions, judge = todo.questions(), todo.judge
        row: dict[str, Any] = {
            "judge": name,
            "cells": len(todo.cells),
            "questions": len(questions),
            "calls": 0,
        }
        if isinstance(judge, LLMJudge):
            outstanding = judge.outstanding(questions)
            if isinstance(judge.source, EndpointSource):
                row |= asdict(judge.source.forecast(outstanding, batch=batch))
            else:
                row |= {"calls": len(outstanding.asked), "kept": outstanding.known}
        rows.append(row)
    return rows


def _judge(run: RunDir, todo: Any, say: Say) -> None:
    judge = todo.judge
    if isinstance(judge, LLMJudge) and todo.cells:
        for notice in judge_notices(judge):
            say(f"Note: {notice}")
        try:
            judge_cells(run, todo)
        finally:
            say(f"{judge.name}: {judge.source.account()}")
    else:
        judge_cells(run, todo)


def _opened(
    root: Path, judges: Sequence[str], overrides: Sequence[str]
) -> tuple[RunDir, Config, JudgeTools]:
    for name in judges:
        JUDGES.row(name)
    for override in overrides:
        if not override.startswith("judging."):
            raise UsageError(
                f"-s {override}: a finished run's settings stay", "Only judging.* can be set here."
            )
    run = RunDir(root)
    config = overridden(run.config(), list(overrides))
    return run, config, JudgeTools(config.judging, config.device)
