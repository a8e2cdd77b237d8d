"""Lines of a finished run's answers, and the pictures that they are about."""

from pathlib import Path

from mlubench.core.reading import read_json
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_answers
from mlubench.types import AnswerRow
from support.runs import Finished


def row_of(finished: Finished, task: str, split: str, *experts: str) -> AnswerRow:
    """One line of LUMoE's answers after the last task, that went this way."""
    rows = read_answers(RunDir(finished.folder).answers("lumoe", task, "B"))
    return next(
        r
        for r in rows
        if r.split == split and r.route and r.route.experts == experts and r.response
    )


def picture(finished: Finished, row: AnswerRow) -> Path:
    return Path(read_json(finished.folder / "run.json", dict)["image_root"]) / row.image
