"""Adds to a finished run what its methods are held against: the references."""

from dataclasses import replace
from pathlib import Path

from mlubench.experiment.finished import finished_context
from mlubench.experiment.sequence import answer_references
from mlubench.judging.rejudge import rejudge
from mlubench.runs.folder import REFERENCES
from mlubench.runs.opening import open_run
from mlubench.runs.results import Results


def add_references(root: Path) -> Results | None:
    """Answer for all references that are not answered yet, and score the run anew by its own judges.

    None where a judge's batch is under way. Raises MlubenchError where the run has no results yet.
    """
    run = open_run(root)
    judges = run.results().judges
    with run.folder.lock():
        config = run.config.model_copy(update={"references": list(REFERENCES)})
        ctx = finished_context(run.folder)
        answer_references(replace(ctx, config=config))
        run.folder.claim(config)
    return rejudge(root, judges)
