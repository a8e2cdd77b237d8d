"""The first and the last line of an export; between them each line is an entry."""

from typing import Literal

from mlubench.ledger.checkpoints import Checkpoint
from mlubench.settings.strict import Strict


class FirstLine(Strict):
    """Which ledger it is."""

    format: Literal["mlubench ledger"] = "mlubench ledger"
    schema_version: Literal[1] = 1
    ledger: str


class LastLine(Strict):
    """Where it ends."""

    checkpoint: Checkpoint
