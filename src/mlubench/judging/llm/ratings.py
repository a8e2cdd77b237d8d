"""Reads the score in a judge's reply. What is not plainly 0, 1 or 2 is no score: never a guess, never a silent 0."""

import json
import re
from dataclasses import dataclass

from mlubench.judging.rubric import Score

# JSON schema of a rating, for endpoints that hold a model to one.
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "score": {"type": "integer", "enum": [0, 1, 2]}},
    "required": ["reason", "score"],
    "additionalProperties": False,
}
_SCORES: dict[str, Score] = {"0": 0, "1": 1, "2": 2}
# Many models put JSON into a Markdown code block.
_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)
# Characters of a reason that are kept.
_REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Rating:
    """What a reply says."""

    # None where the reply holds no score.
    score: Score | None
    reason: str = ""


def read_rating(reply: str, pattern: str) -> Rating:
    """The score of a JSON object with `score`, or else of the one value that `pattern` finds.

    Two values that differ, or one that is neither 0, 1 nor 2, are no score.
    """
    text = reply.strip()
    fenced = _FENCE.match(text)
    rating = _json_rating(fenced[1] if fenced else text)
    if rating is not None:
        return rating
    values = {value.strip() for value in re.findall(pattern, text)}
    # The same score written twice is one score; two that differ leave open which is meant.
    if len(values) != 1:
        return Rating(None)
    score = _SCORES.get(values.pop())
    if score is None:
        return Rating(None)
    return Rating(score, _shortened(re.sub(pattern, "", text)))


def _json_rating(text: str) -> Rating | None:
    """The rating of a reply that is an object with one score; None where it is no such object."""
    try:
        value = json.loads(text, object_pairs_hook=_without_doubles)
    # A reply of thousands of brackets ends in a RecursionError.
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or "score" not in value:
        return None
    score = value["score"]
    # True is 1 to Python, and 2.0 is 2: neither is what was asked for.
    digit = str(score) if type(score) in (int, str) else ""
    return Rating(_SCORES.get(digit), _shortened(str(value.get("reason", ""))))


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object. Raises ValueError where a key stands twice: it would not be clear which score is meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made


def _shortened(text: str) -> str:
    return " ".join(text.split())[:_REASON_LENGTH]
