"""Makes the learner of a method by its name."""

from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base, Learner
from mlubench.experiment.learners.sequential import Sequential
from mlubench.experiment.table import METHODS


def learner_for(name: str, ctx: Context) -> Learner:
    """The learner of a row of the table of methods: a row that is only a loss is a baseline."""
    found = METHODS.resolve(name)
    learner: Learner = found(ctx) if issubclass(found, Base) else Sequential(ctx, name)
    return learner
