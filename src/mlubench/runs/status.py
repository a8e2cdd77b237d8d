"""How far a run has come, read from its folder alone; no model is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlubench.runs.opening import open_run
from mlubench.runs.wholeness import damaged_files


@dataclass(frozen=True, slots=True)
class MethodStatus:
    """How far one method has come."""

    method: str
    archived: list[str]  # the tasks whose archive is whole
    cells: int  # how many it will have
    answered: int
    judged: int


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a run has come."""

    run: str  # its folder
    state: Literal["preparing", "under way", "finished"]
    preset: str
    tasks: list[str]
    methods: list[MethodStatus]
    # Files of answers and verdicts that are not as the run wrote them, with what happened to each.
    damaged: list[str]

    @property
    def rest(self) -> str:
        """What a reader of a run that is not finished should know, in one line; empty where it is finished."""
        if self.state == "finished":
            return ""
        counts = [f"{row.method} {row.judged}/{row.cells}" for row in self.methods]
        line = f"{self.run} is not finished: cells judged: {', '.join(counts)}"
        if self.damaged:
            line += f"; damaged: {'; '.join(self.damaged)}"
        return f"{line}. `mlubench run` with the same settings and --out {self.run} goes on."


def status_of(root: Path) -> RunStatus:
    """The state of a run, and counts for each method. Raises UsageError when `root` is not a run."""
    run = open_run(root)
    # run.json is written when benchmark and base are there.
    prepared = run.folder.facts_file.is_file()
    order = run.order if prepared else []
    cells = len(order) * (len(order) + 1) // 2
    if run.config.evaluate.tasks == "all":
        cells = len(order) ** 2
    methods = []
    for method in run.config.methods:
        methods.append(
            MethodStatus(
                method,
                archived=run.folder.archived(method, order),
                cells=cells,
                answered=len(run.folder.answer_files(method)),
                judged=len(run.folder.verdict_files(run.config.judge, method)),
            )
        )
    state: Literal["preparing", "under way", "finished"] = "preparing"
    if prepared:
        state = "under way"
    damaged = damaged_files(run.folder)
    all_judged = all(row.judged == cells for row in methods)
    if run.folder.results.is_file() and all_judged and not damaged:
        state = "finished"
    return RunStatus(str(root), state, run.config.preset, order, methods, damaged)
