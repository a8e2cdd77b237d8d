"""Reads the score in a judge's reply. What is not plainly 0, 1 or 2 is no score: never a guess, never a silent 0."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlubench.core.reply_text import Json, json_in, quoted_in, spoken
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
_FENCE = re.compile(r"```[A-Za-z]*")
# Characters of a reason that are kept.
_REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Rating:
    """What a reply says."""

    # None where the reply holds no score.
    score: Score | None
    reason: str = ""


_NONE = Rating(None)


def read_rating(reply: str, pattern: str) -> Rating:
    """The score of a JSON object with `score` that begins or ends the reply, or else of the one value that `pattern` finds.

    What a model thought first counts for nothing, nor does what JSON quotes: a reason may repeat what is graded.
    Two values that differ, one that is neither 0, 1 nor 2, and an object that was cut short are no score.
    """
    text = spoken(reply)
    found = list(json_in(text))
    if any(part.value is None for part in found):
        return _NONE
    marks = [match[1].strip() for match in _marks(text, found, pattern)]
    rated = [part for part in found if isinstance(part.value, dict) and "score" in part.value]
    if rated:
        return _rating_of_json(text, rated, marks)
    # The same score written twice is one score; two that differ leave open which is meant.
    if len(set(marks)) != 1 or marks[0] not in _SCORES:
        return _NONE
    return Rating(_SCORES[marks[0]], _shortened(re.sub(pattern, "", text)))


def _marks(text: str, found: Sequence[Json], pattern: str) -> Iterator[re.Match[str]]:
    """What the pattern finds, without what a JSON value quotes."""
    quoted: list[tuple[int, int]] = []
    for part in found:
        quoted += quoted_in(text, part)
    for match in re.finditer(pattern, text):
        if not any(start < match.start() and match.end() < end for start, end in quoted):
            yield match


def _rating_of_json(text: str, rated: Sequence[Json], marks: Sequence[str]) -> Rating:
    """The rating of the objects with a score; none where it is not plain that one of them is the verdict."""
    ratings = [_rating_of(part.value) for part in rated]
    last = ratings[-1]
    if any(rating.score != last.score for rating in ratings):
        return _NONE
    before = _FENCE.sub("", text[: rated[0].start]).strip()
    after = _FENCE.sub("", text[rated[-1].end :])
    if not after.strip():
        return last
    # Words may follow. An object amid words is one that they speak of, and a mark after it may be the verdict.
    contradicted = any(_SCORES.get(mark) != last.score for mark in marks)
    if before or contradicted or not after[0].isspace():
        return _NONE
    return last


def _rating_of(value: object) -> Rating:
    if not isinstance(value, dict):
        return _NONE
    score = value["score"]
    # True is 1 to Python, and 2.0 is 2: neither is what was asked for.
    digit = str(score) if type(score) in (int, str) else ""
    return Rating(_SCORES.get(digit), _shortened(str(value.get("reason", ""))))


def _shortened(text: str) -> str:
    return " ".join(text.split())[:_REASON_LENGTH]
