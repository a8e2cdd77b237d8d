"""Answers that a person has scored by reading: what a judge is measured against before anyone believes it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from mlubench.judging.rubric import Score
from mlubench.types import Question

LATER = "written later"
Half = Literal["development", "held-out"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer with the score a person gave it. `kind` says what it is a case of, `source` who wrote the answer."""

    question: Question
    label: Score
    kind: str
    source: str

    @property
    def fact(self) -> str:
        return f"{self.question.subject}: {self.question.truth}"

    @property
    def half(self) -> Half:
        """By a hash of the fact, so that no question stands in both: rules are tuned on one half and reported on both.

        Answers written once the held-out half had been seen have been tuned on since, so they can be no part of it.
        """
        if self.source == LATER:
            return "development"
        return "held-out" if hashlib.sha256(self.fact.encode()).digest()[0] % 2 else "development"


@cache
def labelled_answers() -> tuple[Labelled, ...]:
    """The shipped set, in the order of its file."""
    lines = (
        files("mlubench.judging")
        .joinpath("labelled.jsonl")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    return tuple(map(_row, map(json.loads, lines)))


def _row(row: dict[str, object]) -> Labelled:
    question = {name: row[name] for name in ("metric", "subject", "question", "truth", "response")}
    return Labelled(Question(**question), row["label"], row["kind"], row["source"])  # type: ignore[arg-type]


def references_of(answers: Iterable[Labelled]) -> list[tuple[str, str]]:
    """The (class, truth) pairs of these answers, which a judge may read as it may those of a run."""
    return sorted({(a.question.subject.split("/")[0], a.question.truth) for a in answers})
