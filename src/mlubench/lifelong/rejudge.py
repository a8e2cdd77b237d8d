"""Judge a finished run again, by one judge or several; answers stay, no model is loaded."""

from pathlib import Path
from typing import Any

from mlubench.artifacts import read_json
from mlubench.errors import unknown_name
from mlubench.lifelong.evaluate import judge_run
from mlubench.lifelong.results import build_results
from mlubench.lifelong.rundir import RunDir
from mlubench.registry import JUDGES


def rejudge(root: Path, judges: list[str]) -> dict[str, Any]:
    """The results with the cells of every judge named. Verdicts that are there already are kept."""
    for name in judges:
        if name not in JUDGES:
            raise unknown_name("judge", name, JUDGES)
    run = RunDir(root)
    config = run.config()
    order = read_json(root / "run.json")["benchmark"]["tasks"]
    with run.lock():
        for name in judges:
            judge_run(run, name)
        return build_results(run, config, order, list(dict.fromkeys(judges)))
