"""Lines of answers that tests write by hand."""

from dataclasses import replace
from typing import Any

from mlubench.types import AnswerRow

_PLAIN = AnswerRow(
    id="s0",
    split="retain",
    task="A",
    image="Animals/Dog/0.jpg",
    entity="Animals/Dog",
    question="What?",
    truth="Dog",
    response="A dog",
    fact="f",
    phrasing=0,
    route=None,
)


def answer_row(**fields: Any) -> AnswerRow:
    """An answer of which only these fields matter."""
    return replace(_PLAIN, **fields)
