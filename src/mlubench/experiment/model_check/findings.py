"""What the check of a model finds, step by step."""

from dataclasses import dataclass
from typing import Literal

from mlubench.core.errors import MlubenchError

# `missing`: it does not work, and a run can do without it. `not tried`: an earlier step would have had to work.
Outcome = Literal["works", "missing", "fails", "not tried"]


class NotOfferedError(MlubenchError):
    """What this family does not do, and what every run does without by itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one step."""

    step: str
    outcome: Outcome
    # What was seen, or why it does not work, in one line.
    detail: str
    # What to do about it; empty where nothing is to be done.
    do: str = ""


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What was found of a model."""

    model: str
    # As transformers names it; empty where the model could not be loaded.
    family: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether everything works that a run needs."""
        return not any(finding.outcome in ("fails", "not tried") for finding in self.findings)
