"""Answers that a person has scored by reading: what a judge is measured against before anyone believes it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, TypedDict

from mlubench.judging.rubric import Score
from mlubench.types import Metric, Question

# The source of answers that were written once the held-out half had been seen.
LATER = "written later"
Half = Literal["development", "held-out"]


class _Line(TypedDict):
    """One line of the shipped file."""

    metric: Metric
    subject: str
    question: str
    truth: str
    response: str
    label: Score
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer with the score that a person gave it."""

    question: Question
    label: Score
    # What it is a case of.
    kind: str
    # Who wrote the answer.
    source: str

    @property
    def fact(self) -> str:
        return f"{self.question.subject}: {self.question.truth}"

    @property
    def half(self) -> Half:
        """The half that the answer belongs to, by a hash of its fact, so that no fact stands in both.

        Rules are tuned on one half and reported on both. Answers written once the held-out half had been seen have been
        tuned on since, so they can be no part of it.
        """
        if self.source == LATER:
            return "development"
        first_byte = hashlib.sha256(self.fact.encode()).digest()[0]
        return "held-out" if first_byte % 2 else "development"


def labelled_answers() -> tuple[Labelled, ...]:
    """Answers on drawn worlds, and to questions like the official ones, in the order of the file."""
    return _read("labelled.jsonl")


def real_answers() -> tuple[Labelled, ...]:
    """Answers to questions of the real benchmark, by models of pretrained parts, in the order of the file."""
    return _read("labelled_real.jsonl")


@cache
def _read(name: str) -> tuple[Labelled, ...]:
    text = files("mlubench.judging").joinpath(name).read_text(encoding="utf-8")
    answers = []
    for line in text.splitlines():
        row: _Line = json.loads(line)
        question = Question(
            metric=row["metric"],
            subject=row["subject"],
            question=row["question"],
            truth=row["truth"],
            response=row["response"],
        )
        answers.append(Labelled(question, row["label"], row["kind"], row["source"]))
    return tuple(answers)


def references_of(answers: Iterable[Labelled]) -> list[tuple[str, str]]:
    """The (class, truth) pairs of these answers, which a judge may read as it may those of a run."""
    references = set()
    for answer in answers:
        cls = answer.question.subject.split("/")[0]
        references.add((cls, answer.question.truth))
    return sorted(references)
