"""Why a gate cannot learn one task more from what it has saved."""

from collections.abc import Container

from mlubench.core.errors import MlubenchError
from mlubench.types import Task


def cannot_extend(why: str) -> MlubenchError:
    return MlubenchError(
        f"the gate cannot learn another request: {why}",
        "Make the experts anew with gate=hybrid, and with gates.background for a benchmark of your own.",
    )


def require_new(task: Task, met: Container[str]) -> None:
    """Raises MlubenchError where the gate has met an entity that the task forgets: asked for, or told to keep."""
    for entity in task.forget_entities:
        if entity.key in met:
            raise MlubenchError(
                f"the gate has met {entity.key} before, as something to forget or to keep",
                "What it was made to keep needs a gate that is fitted anew: run without it among the retain set.",
            )
