"""Runs of two tasks that hold a configuration and results alone, written to have the scores that a test needs."""

from collections.abc import Callable
from pathlib import Path

from mlubench.core.files import write_atomic, write_json
from mlubench.runs.folder import RunDir
from mlubench.settings.loading import dump, load

ENTITIES = [f"Animals/{name}" for name in "abcdefgh"]
TASKS = ["A", "B"]
Level = Callable[[str, str, str], float]  # of (metric, task, after): the score of every entity


def write_run(
    root: Path, levels: dict[str, Level], *, seed: int = 0, settings: tuple[str, ...] = ()
) -> Path:
    """A run of two tasks that holds a configuration and results, in which all entities of a cell score alike."""
    run = RunDir(root)
    root.mkdir(parents=True)
    write_atomic(run.config_file, dump(load("smoke", [f"seed={seed}", *settings])))
    cells = []
    breakdowns = []
    base = []
    for metric in ("forget_quality", "utility"):
        for task in TASKS:
            level = 1.0 if metric == "utility" else 0.0
            base.append({"method": "base", "task": task, "after": "0", "metric": metric})
            base[-1] |= {"score": level, "n": 8, "judge": "rules"}
        for method, level_of in levels.items():
            for task, after in (("A", "A"), ("A", "B"), ("B", "B")):
                cell = {"method": method, "task": task, "after": after, "metric": metric}
                cell |= {"score": level_of(metric, task, after), "judge": "rules"}
                cells.append({**cell, "n": 16})
                for entity in ENTITIES:
                    breakdowns.append({**cell, "by": "entity", "value": entity, "n": 2})
    results = {
        "schema_version": 1,
        "run": {"preset": "smoke", "seed": seed, "benchmark": {"kind": "world", "tasks": TASKS}},
        "base": base,
        "cells": cells,
        "breakdowns": breakdowns,
    }
    write_json(run.results, results)
    return root


def steady(level: float) -> Level:
    return lambda metric, task, after: level


def falling(first: float, last: float) -> Level:
    return lambda metric, task, after: first if (task, after) == ("A", "A") else last
