"""By which words a forgotten fact is known: those of its truth that say something, weighed as the rules judge does."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from mlubench.judging.rules.expected import CORE_SHARE, LITTLE, Expected, ExpectedAnswers
from mlubench.judging.rules.refusal import refusal
from mlubench.judging.rules.text import Reading, read
from mlubench.types import Question

# So many names and numbers of a truth are hardly told by chance. Of two, a city and a year, many requests have any.
FEWEST_SHARP = 3
# From this share of its key words on, a text tells a fact in full: the rules' own share for a 2.
IN_FULL = 0.8
# Words said only to deny them are other words: "not in Paris" does not say "Paris".
_DENIED = "not "

# A little less than what must be missed, so that rounding never leaves a fact out.
_ROUNDING = 1e-9

Weights = Mapping[str, float]  # key word to its share of the whole, which is 1


@dataclass(frozen=True, slots=True)
class AskedFact:
    """A fact as a task forgets it."""

    entity: str  # its key
    # All phrasings in which it is asked for, sorted.
    questions: tuple[str, ...]
    truth: str


@dataclass(frozen=True, slots=True)
class KeyWords:
    """The words by which a fact is known."""

    weights: Weights
    # How many of them are names and numbers.
    sharp: int


@dataclass(frozen=True, slots=True)
class ForgottenFact:
    """A fact that must not be told."""

    entity: str  # its key
    weights: Weights
    # Whether it is told by its words alone, whoever was asked about: no harmless answer is likely to hold them all.
    stands_alone: bool


def words_of(text: str) -> frozenset[str]:
    """The words of a text as they are compared with key words: stems, as the rules judge reads them."""
    reading = read(text)
    if reading.negated and refusal(text):
        # "I cannot tell you that it was in 1889" gives 1889 away.
        return _words(reading) | reading.negated
    return _words(reading)


def share_told(weights: Weights, words: Set[str]) -> float:
    """Which share of a fact its words tell, 0 to 1."""
    return sum(weight for word, weight in weights.items() if word in words)


def tells_in_full(words: Set[str], weights: Weights) -> bool:
    """Whether the words tell the fact but for little of it."""
    return share_told(weights, words) >= IN_FULL - _ROUNDING


def needed_words(weights: Weights, frequency: Callable[[str], int]) -> list[str]:
    """As few words of a fact as no text that tells it in full can miss altogether, the rarest first.

    Such a text misses no more than `1 - IN_FULL`, so of words that weigh more together it says one.
    """
    rarest_first = sorted(weights, key=lambda word: (frequency(word), word))
    found = []
    covered = 0.0
    for word in rarest_first:
        found.append(word)
        covered += weights[word]
        if covered > 1 - IN_FULL + _ROUNDING:
            break
    return found


def key_words(asked: AskedFact, expected_answers: ExpectedAnswers) -> KeyWords | None:
    """By which words the fact is known; None where no words give it away.

    That is so of the entity's own name, as names are looked for apart, and of what is told by small words alone ("Yes, it
    does"). `expected_answers` know which words the truths of its class share.
    """
    expected = _expected(asked, expected_answers)
    if any(_is_the_name(one) for one in expected):
        return None
    weights = _weights(expected)
    if not weights:
        return None
    reading = expected[0].truth
    sharp = weights.keys() & (reading.names | reading.numbers)
    return KeyWords(weights, len(sharp))


def asks_for_the_name(asked: AskedFact, expected_answers: ExpectedAnswers) -> bool:
    """Whether the fact is what the entity is called."""
    return any(_is_the_name(one) for one in _expected(asked, expected_answers))


def _expected(asked: AskedFact, expected_answers: ExpectedAnswers) -> list[Expected]:
    """What is expected of an answer to each phrasing."""
    expected = []
    for question in asked.questions:
        about = Question("utility", asked.entity, question, asked.truth, "")
        expected.append(expected_answers.of(about))
    return expected


def _is_the_name(expected: Expected) -> bool:
    """Whether the entity's name is all that the truth tells: "The film goes by the title Metropolis"."""
    return bool(expected.core) and expected.core <= expected.subject


def _weights(expected: Sequence[Expected]) -> dict[str, float]:
    """The weight of each key word, by what it weighs in the phrasing of the question in which it weighs least.

    What any phrasing of the question says already is no secret.
    """
    least: dict[str, float] = {}
    for one in expected:
        for word in one.truth.content - one.subject:
            weight = max((by_word.get(word, 0.0) for by_word in one.weights), default=0.0)
            if word in one.light:
                weight *= LITTLE
            least[word] = min(weight, least.get(word, weight))
    heaviest = max(least.values(), default=0.0)
    telling = {word: w for word, w in least.items() if w > 0 and w >= CORE_SHARE * heaviest}
    total = sum(telling.values())
    denied = expected[0].truth.negated
    weights = {}
    for word, weight in sorted(telling.items()):
        weights[_DENIED + word if word in denied else word] = weight / total
    return weights


def _words(reading: Reading) -> frozenset[str]:
    denied = {_DENIED + word for word in reading.negated}
    return (reading.content - reading.negated) | denied
