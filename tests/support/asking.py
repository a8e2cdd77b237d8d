"""Lines of a finished run's answers, and the pictures that they are about."""

from pathlib import Path
from typing import Any

from mlubench.core.files import read_json
from mlubench.core.lines import read_lines
from mlubench.runs.folder import RunDir
from support.runs import Finished


def row_of(finished: Finished, task: str, split: str, *experts: str) -> dict[str, Any]:
    """One line of LUMoE's answers after the last task, that went this way."""
    rows = read_lines(RunDir(finished.folder).answers("lumoe", task, "B"))
    return next(
        r
        for r in rows
        if r["split"] == split and tuple(r["route"]["experts"]) == experts and r["response"]
    )


def picture(finished: Finished, row: dict[str, Any]) -> Path:
    return Path(read_json(finished.folder / "run.json")["image_root"]) / row["image"]
