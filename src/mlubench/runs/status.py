"""How far a run has come, read from its folder alone; no model is loaded."""

from pathlib import Path
from typing import Any

from mlubench.core.files import read_json
from mlubench.runs.folder import RunDir


def status_of(root: Path) -> dict[str, Any]:
    """State of a run: `not started`, `preparing`, `under way` or `finished`, and counts for each method.

    Raises UsageError when `root` is not a run.
    """
    run = RunDir(root)
    config = run.config()
    facts = read_json(root / "run.json") if (root / "run.json").is_file() else {}
    order = facts.get("benchmark", {}).get("tasks", [])
    every = (
        len(order) ** 2 if config.evaluate.tasks == "all" else len(order) * (len(order) + 1) // 2
    )
    rows = []
    for method in config.methods:
        rows.append(
            {
                "method": method,
                "archived": run.archived(method, order),
                "cells": every,
                "answered": len(list((root / "answers" / method).glob("*-U*.jsonl"))),
                "judged": len(list((run.judged(config.judge) / method).glob("*-U*.jsonl"))),
            }
        )
    done = run.results.is_file() and all(row["judged"] == every for row in rows)
    state = "finished" if done else "under way" if facts else "preparing"
    return {
        "run": str(root),
        "state": state,
        "preset": config.preset,
        "tasks": order,
        "methods": rows,
    }
