"""Reads the score in a judge's reply. What is not plainly 0, 1 or 2 is no score: never a guess, never a silent 0."""

import json
import re
from dataclasses import dataclass
from typing import Any

from mlubench.judging.rubric import Score

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "score": {"type": "integer", "enum": [0, 1, 2]}},
    "required": ["reason", "score"],
    "additionalProperties": False,
}
_SCORES: dict[str, Score] = {"0": 0, "1": 1, "2": 2}
_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)
_REASON = 300  # characters kept


@dataclass(frozen=True, slots=True)
class Rating:
    """`score` is None where the reply holds none."""

    score: Score | None
    reason: str = ""


def read_rating(reply: str, pattern: str) -> Rating:
    """The score of a JSON object with `score`, or else of the one value that `pattern` finds.

    Two values that differ, or one that is neither 0, 1 nor 2, are no score.
    """
    text = reply.strip()
    fenced = _FENCE.match(text)
    found = _json_rating(fenced[1] if fenced else text)
    if found is not None:
        return found
    said = {value.strip() for value in re.findall(pattern, text)}
    score = _SCORES.get(said.pop()) if len(said) == 1 else None
    return Rating(score, _short(re.sub(pattern, "", text)) if score is not None else "")


def _json_rating(text: str) -> Rating | None:
    """The rating of a reply that is an object with one score; None where it is no such object."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or "score" not in value:
        return None
    score = value["score"]
    # True is 1 to Python, and 2.0 is 2: neither is what was asked for.
    digit = str(score) if type(score) in (int, str) else ""
    return Rating(_SCORES.get(digit), _short(str(value.get("reason", ""))))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, or an error where a key stands twice: it would not be clear which score is meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made


def _short(text: str) -> str:
    return " ".join(text.split())[:_REASON]
