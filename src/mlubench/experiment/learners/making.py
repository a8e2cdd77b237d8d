"""Makes the learner of a method by its name."""

from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base, Learner
from mlubench.experiment.learners.sequential import Sequential
from mlubench.experiment.learners.stacked import Stacked
from mlubench.experiment.table import METHODS


def learner_for(name: str, ctx: Context) -> Learner:
    """The learner of a row of the table of methods: a row that is only a loss is a baseline."""
    found = METHODS.resolve(name)
    if issubclass(found, Base):
        learner: Learner = found(ctx)
        return learner
    return Sequential(ctx, name) if found.orthogonal is None else Stacked(ctx, name)
