"""The table of methods: every loss, and what is more than a loss, which brings a learner of its own."""

from mlubench.core.tables import Entry, Table
from mlubench.unlearning.table import LOSSES

METHODS = Table(
    "method",
    {
        "lumoe": Entry(
            "mlubench.experiment.learners.lumoe:LumoeLearner",
            "one LoRA expert per task on the untouched base, and a gate",
            "2606.12809",
        ),
    },
    group="mlubench.learners",
    base=LOSSES,
)
