"""RUN/known_before.json: which facts the language model told by name before anybody taught it."""

from typing import Literal

from pydantic import BaseModel

from mlubench.core.reading import read_json
from mlubench.runs.folder import RunDir

# `told by the question`: the entity's name is the answer, so asking by name shows nothing.
KnownBefore = Literal["yes", "no", "told by the question"]


class NamedAnswer(BaseModel, frozen=True):
    """What the untouched language model says to a fact's question, with the entity's name in words."""

    fact: str
    entity: str  # its key
    question: str  # as it was asked
    truth: str
    response: str


class KnownBeforeRow(NamedAnswer, frozen=True):
    """The same, judged."""

    known: KnownBefore
    why: str  # the judge's


def facts_known_before(run: RunDir) -> dict[str, str]:
    """Fact -> `yes` or `no`; without those that the question tells. Empty where the run did not ask."""
    if not run.known_before.is_file():
        return {}
    found = {}
    for row in read_json(run.known_before, list[KnownBeforeRow]):
        if row.known in ("yes", "no"):
            found[row.fact] = str(row.known)
    return found
