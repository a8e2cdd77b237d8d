"""Compares an answer with what is expected: which words of the truth it says, and how much it claims besides."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz.fuzz import ratio

from mlubench.judging.rules.expected import Expected
from mlubench.judging.rules.text import Reading, read, stem

# From this likeness on (0 to 100), two spellings of this many letters or more are one name.
ALIKE = 90
LEAST_LETTERS = 6
# How far a number may be from a truth that says "about", as a share of the truth.
ROUGH = 0.05

# What the official question about food is answered with, and the foods that say the same.
DIETS = {
    stem("carnivore"): {"meat"},
    stem("herbivore"): {"plant"},
    stem("omnivore"): {"meat", "plant"},
}
FOODS = {"meat", "plant"}

# A full stop counts behind a small letter only: "J. Smith" is no end of a sentence.
_SENTENCE_END = re.compile(r"(?<=[a-z)][.!?]) +(?=[A-Z])|\n+")


@dataclass(frozen=True, slots=True)
class NumberMatch:
    """Numbers that are not the truth's and stand for the truth's all the same."""

    # As the answer has them.
    in_answer: frozenset[str]
    # The truth's own, for which they stand.
    in_truth: frozenset[str]


def number_value(number: str) -> float:
    """The number's value; nan, which is near to nothing, for "7,6" and the like."""
    try:
        return float(number)
    except ValueError:
        return math.nan


def is_close(number: str, truth: str) -> bool:
    return abs(number_value(number) - number_value(truth)) <= ROUGH * number_value(truth)


def near_numbers(expected: Expected, response: Reading) -> NumberMatch:
    """The response's numbers that are near enough where the truth is only rough, or a range."""
    others = response.numbers - expected.truth.numbers
    if expected.span:
        low, high = map(number_value, expected.span)
        within = frozenset(n for n in others if low <= number_value(n) <= high)
        return NumberMatch(within, frozenset(expected.span) if within else frozenset())
    in_answer = set()
    in_truth = set()
    if expected.is_rough:
        for number in others:
            for truth in expected.truth.numbers:
                if is_close(number, truth):
                    in_answer.add(number)
                    in_truth.add(truth)
    return NumberMatch(frozenset(in_answer), frozenset(in_truth))


def find_hits(expected: Expected, response: Reading) -> set[str]:
    """The truth's words that the response says too, and with the same sign: "not a dog" does not say "dog"."""
    truth = expected.truth
    if not truth.content:
        # A truth of small words only, "Yes, it is", is compared as it stands.
        return set(response.words) & set(truth.words)
    hits = set()
    for word in response.content & truth.content:
        if (word in response.negated) == (word in truth.negated):
            hits.add(word)
    foods = response.content & FOODS - response.negated
    for diet in truth.content & set(DIETS):
        if DIETS[diet] == foods:
            hits.add(diet)
    return hits | near_numbers(expected, response).in_truth | _misspelt(truth, response)


def _misspelt(truth: Reading, response: Reading) -> set[str]:
    """The truth's names that the response spells a letter otherwise ("Hillenberg"), or by its people ("German")."""
    missing = [w for w in truth.names - response.content if len(w) >= LEAST_LETTERS]
    if not missing:
        return set()
    others = response.names - truth.content - response.negated
    found = set()
    for name in missing:
        for other in others:
            if len(other) < LEAST_LETTERS or name[0] != other[0]:
                continue
            # `ratio` is 0 below the cutoff.
            if ratio(name, other, score_cutoff=ALIKE):
                found.add(name)
    return found


def recall(expected: Expected, hits: set[str]) -> float:
    """The weighted share of the truth that the hits say, 0 to 1, of the way to say it that fits best."""
    best = 0.0
    for weights in expected.weights:
        total = sum(weights.values())
        if total:
            said = sum(weight for word, weight in weights.items() if word in hits)
            best = max(best, said / total)
    return best


def precision(expected: Expected, hits: set[str], response: Reading) -> float:
    """The share of what the response claims that is in the truth; a name or number claims more than a plain word."""
    new = response.content - expected.known
    claims = len(new & (response.names | response.numbers)) + 0.1 * len(new)
    # Where only common words are right, each counts half.
    right = len(hits & expected.core) or 0.5 * len(hits)
    if not right + claims:
        return 1.0
    return right / (right + claims)


def precision_by_sentence(expected: Expected, text: str, least_recall: float) -> Iterator[float]:
    """The precision of each sentence that says enough by itself: a long answer may go on about other things."""
    for sentence in map(read, _SENTENCE_END.split(text)):
        hits = find_hits(expected, sentence)
        if recall(expected, hits) >= least_recall:
            yield precision(expected, hits, sentence)
