"""By which words a forgotten fact is known: those of its truth that say something, weighed as the rules judge does."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from mlubench.judging.rules.expected import CORE_SHARE, LITTLE, Expected, ExpectedAnswers
from mlubench.judging.rules.refusal import refusal
from mlubench.judging.rules.text import Reading, read
from mlubench.types import Question, Sample, Task

# So many names and numbers of a truth are hardly told by chance. Of two, a city and a year, many requests have any.
FEWEST_SHARP = 3
# From this share of its key words on, a text tells a fact in full: the rules' own share for a 2.
IN_FULL = 0.8
# Words said only to deny them are other words: "not in Paris" does not say "Paris".
_DENIED = "not "

Weights = Mapping[str, float]  # key word to its share of the whole, which is 1


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


def forgotten_facts(tasks: Sequence[Task]) -> list[ForgottenFact]:
    """The facts of the tasks' forget sets, each once, by samples that are not tested on.

    A fact that is the entity's own name is left out, as names are looked for apart. So is one that is told by small words
    alone ("Yes, it does"), which no words give away.
    """
    truths = sorted({(s.entity.cls, s.truth) for task in tasks for s in task.samples})
    expected_answers = ExpectedAnswers(truths)
    forget = {s.entity.key for task in tasks for s in task.forget}
    # An entity that an earlier task kept may have to go by now.
    kept = [s for task in tasks for s in task.retain if s.entity.key not in forget]
    kept_words = {words_of(sample.truth) for sample in kept if sample.role != "test"}
    by_fact: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
    for task in tasks:
        for sample in task.forget:
            if sample.role != "test":
                by_fact[sample.entity.key, sample.fact, sample.truth].append(sample)
    found: dict[tuple[str, frozenset[tuple[str, float]]], ForgottenFact] = {}
    for (entity, _, _), samples in sorted(by_fact.items()):
        fact = _fact(entity, samples, expected_answers, kept_words)
        if fact is not None:
            found[entity, frozenset(fact.weights.items())] = fact
    return list(found.values())


def _fact(
    entity: str,
    samples: Sequence[Sample],
    expected_answers: ExpectedAnswers,
    kept_words: Iterable[Set[str]],
) -> ForgottenFact | None:
    """One fact by its samples, which ask for it in several phrasings; None where no words give it away."""
    questions = sorted({sample.question for sample in samples})
    truth = samples[0].truth
    expected = [
        expected_answers.of(Question("utility", entity, question, truth, ""))
        for question in questions
    ]
    if any(_is_the_name(one) for one in expected):
        return None
    weights = _weights(expected)
    if not weights:
        return None
    reading = expected[0].truth
    sharp = set(weights) & (reading.names | reading.numbers)
    stands_alone = len(sharp) >= FEWEST_SHARP
    for words in kept_words if stands_alone else ():
        if share_told(weights, words) >= IN_FULL:
            # What must stay is told by the same words.
            stands_alone = False
            break
    return ForgottenFact(entity, weights, stands_alone)


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
