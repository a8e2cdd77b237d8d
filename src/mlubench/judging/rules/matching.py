"""Compares an answer with what is expected: which words of the truth it says, and how much it claims besides."""

import math
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass

from rapidfuzz.fuzz import ratio

from mlubench.judging.rules.companions import company
from mlubench.judging.rules.expected import LITTLE, Expected
from mlubench.judging.rules.quantities import is_as_much, quantities
from mlubench.judging.rules.text import Reading, read, stem

# From this likeness on (0 to 100), two spellings of this many letters or more are one name.
ALIKE = 90
LEAST_LETTERS = 6
# From this many letters on, the beginning of a given name is its short form: "Tobi Lutke".
LEAST_OF_SHORT = 3
# How far a number may be from a truth that says "about", as a share of the truth.
ROUGH = 0.05
# The same, for the same amount in other units where the truth does not say "about": what rounding leaves.
EXACT = 0.01

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
    """The response's numbers that are near enough where the truth is only rough, or a range, or the same in other units."""
    others = response.numbers - expected.truth.numbers
    amounts = quantities(response) if expected.quantities else []
    # What is said in another unit is compared as an amount alone: 84 years are not near 88 days.
    units = {truth.unit for truth in expected.quantities}
    others -= {quantity.number for quantity in amounts if quantity.unit not in units}
    near = _near_as_they_stand(expected, others)
    in_answer = set(near.in_answer)
    in_truth = set(near.in_truth)
    tolerance = ROUGH if expected.is_about else EXACT
    for quantity in amounts:
        for truth in expected.quantities:
            if is_as_much(quantity, truth, tolerance):
                in_answer.add(quantity.number)
                in_truth |= {truth.number, truth.unit}
    return NumberMatch(frozenset(in_answer), frozenset(in_truth))


def other_amounts(expected: Expected, response: Reading) -> set[str]:
    """Numbers of the truth that the response says of another amount: 12 of "12 days" where the truth says 12 years."""
    found = set()
    for quantity in quantities(response) if expected.quantities else ():
        for truth in expected.quantities:
            is_same_number = quantity.number == truth.number
            if is_same_number and not is_as_much(quantity, truth, ROUGH):
                found.add(truth.number)
    return found


def _near_as_they_stand(expected: Expected, others: frozenset[str]) -> NumberMatch:
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
    """The truth's names that the response spells a letter otherwise ("Hillenberg"), or shorter ("Rob Kalin")."""
    missing = truth.names - response.content
    if not missing:
        return set()
    others = response.content - truth.content - response.negated
    if not others:
        return set()
    beside = company(truth).beside
    found = set()
    for name in missing:
        rest_is_said = any(rest & response.content for rest in beside[name])
        for other in others:
            if rest_is_said and len(other) >= LEAST_OF_SHORT and name.startswith(other):
                found.add(name)
            if len(name) < LEAST_LETTERS or len(other) < LEAST_LETTERS or name[0] != other[0]:
                continue
            # `ratio` is 0 below the cutoff.
            if ratio(name, other, score_cutoff=ALIKE):
                found.add(name)
    return found


def recall(expected: Expected, hits: Set[str], light: frozenset[str] = frozenset()) -> float:
    """The weighted share of the truth that the hits say, 0 to 1, of the way to say it that fits best.

    Words in `light` weigh little.
    """
    best = 0.0
    for weights in expected.weights:
        total = 0.0
        said = 0.0
        for word, weight in weights.items():
            counted = weight * LITTLE if word in light else weight
            total += counted
            if word in hits:
                said += counted
        if total:
            best = max(best, said / total)
    return best


def precision(expected: Expected, hits: Set[str], response: Reading) -> float:
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
