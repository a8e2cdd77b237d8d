"""What the rules look for in an answer: the words of the truth, and how much each of them says."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlubench.judging.rules.asking import (
    asks_for_exact_time,
    asks_for_name,
    asks_for_person,
    asks_for_place,
    asks_for_two_things,
    asks_for_year,
    asks_who,
    options,
    side_taken,
)
from mlubench.judging.rules.quantities import Quantity, quantities
from mlubench.judging.rules.text import (
    DIRECTIONS,
    MONTHS,
    PEOPLES,
    Reading,
    fold,
    read,
    stem,
    word_set,
)
from mlubench.types import Entity, Question

# How much one word says, where a plain word says 1.
NAME_WEIGHT = 3.0
# The subject's name, where it is what the question asks for.
ASKED_NAME_WEIGHT = 10 * NAME_WEIGHT
# An answer that the question itself offers: it alone is the whole answer.
OPTION_WEIGHT = 6.0
# What the question says already, and asides.
LITTLE = 0.1
# What "yes" or "no" weighs, as a share of all other words.
SIDE_SHARE = 0.8
# From this share of the heaviest word's weight on, a word is specific.
CORE_SHARE = 0.25
# With fewer truths of a class it is not known which words they share.
FEWEST_REFERENCES = 8

# In so many truths of a class three words in a row are a sentence that they share.
SHARED_BY = 3
SURELY_SHARED_BY = 5

_CAPITALS = re.compile(r"\s*(?:[A-Z][\w'-]*\s?)+\.?\s*")
_ENDS_IN_NAME = re.compile(r"\b[A-Z][\w'-]*\s*$")
# A lowest and a highest number.
_SPAN = re.compile(r"\b(\d+(?:[.,]\d+)*) ?(?:-|to|and) ?(\d+(?:[.,]\d+)*)\b")
# What stands between two names of one thing.
_OTHER_NAME = re.compile(
    r"[()]|,? ?\b(?:also |better )?known as\b|,? ?\bwhich translates to\b|\bin English\b",
    re.IGNORECASE,
)
ROUGHLY = re.compile(r"\b(?:about|approximately|around|roughly|nearly)\b", re.I)
_MONTHS = frozenset(map(stem, MONTHS))
# Where a city is told nobody misses the country, and where a person is named nobody misses the nation.
WIDE = frozenset({"usa", "uk"})
NATIONS = frozenset(map(stem, (*PEOPLES, "american")))
# Words that nobody misses beside what they describe.
SIZES = frozenset(map(stem, word_set("small little large big tall tiny huge")))
_LIGHT = SIZES | frozenset(map(stem, word_set("tree island"))) | DIRECTIONS
# Words by which a truth only introduces a name.
_FRAME = frozenset(map(stem, word_set("picture image photo name title common called")))
# Words of a path that name no entity.
_NO_NAME = frozenset(
    map(stem, word_set("logo corporation inc tv show series movie film live statues"))
)


@dataclass(frozen=True, slots=True)
class Expected:
    """The truth of one question, ready to be compared with any number of answers. Words are stems."""

    truth: Reading
    # Word to weight, one mapping for each way in which the truth names the thing. The best match counts.
    weights: tuple[Mapping[str, float], ...]
    # The words of the truth that say something specific.
    core: frozenset[str]
    # The subject's name.
    subject: frozenset[str]
    # The words of the question.
    asked: frozenset[str]
    # The answers that the question itself offers.
    options: frozenset[str]
    # Words that an answer may say without claiming anything new.
    known: frozenset[str]
    # "yes" or "no", the side that the truth takes; "" where there are no sides.
    side: str
    # Whether a number that is about the truth's will do.
    is_rough: bool
    # The wider place of a truth that names a place in it: "California" of "San Jose, California".
    wide: frozenset[str]
    # Plain words of a sentence that other truths of the class are told in too.
    frame: frozenset[str]
    # Words that an answer need not hold: the wider place, the sentence, and what only describes.
    light: frozenset[str]
    # Numbers with their units, and whether the truth says "about".
    is_about: bool
    quantities: tuple[Quantity, ...]
    # A lowest and a highest number, which are met by what lies between.
    span: tuple[str, str] | None


class ExpectedAnswers:
    """Makes and keeps what is expected. `references` are (class, truth) pairs: they teach which words a class shares."""

    def __init__(self, references: Iterable[tuple[str, str]] = ()) -> None:
        truths: dict[str, set[str]] = defaultdict(set)
        for cls, truth in references:
            truths[cls].add(truth)
        # By class: how many different truths there are, and in how many of them each word stands.
        self._total: dict[str, int] = {}
        self._seen: dict[str, Counter[str]] = {}
        self._triples: dict[str, Counter[tuple[str, ...]]] = {}
        for cls, known in truths.items():
            self._total[cls] = len(known)
            self._seen[cls] = Counter()
            self._triples[cls] = Counter()
            for truth in known:
                self._triples[cls].update(_triples(read(truth)))
                self._seen[cls].update(read(truth).content)
        self._made: dict[tuple[str, str, str], Expected] = {}

    def of(self, question: Question) -> Expected:
        """What is expected of an answer to the question; made once for each question, subject and truth."""
        key = (question.subject, question.question, question.truth)
        if key not in self._made:
            self._made[key] = self._make(question)
        return self._made[key]

    def _make(self, q: Question) -> Expected:
        truth = read(q.truth)
        asked = read(q.question).content
        subject = read(Entity.from_key(q.subject).title).content - _NO_NAME
        wide = _wider_place(q)
        if wide:
            # The name of Schwerin Palace is no answer to where it stands, but Schwerin is.
            subject -= truth.content
        asks_name = asks_for_name(q.question)
        readings = _names_in(q.truth, asked) if asks_name else []
        weights = []
        for part in readings or [truth]:
            weights.append(self._weights(q, truth, part, subject=subject, asks_name=asks_name))
        heaviest = 0.0
        for by_word in weights:
            heaviest = max(heaviest, *by_word.values(), 0.0)
        core = set()
        for by_word in weights:
            core |= {word for word, w in by_word.items() if w >= CORE_SHARE * heaviest}
        frame = self._frame(q, truth) - options(q.question)
        side = side_taken(q.question, q.truth, truth)
        if side:
            for by_word in weights:
                by_word[side] = (sum(by_word.values()) or 1.0) * SIDE_SHARE
        return Expected(
            truth=truth,
            weights=tuple(weights),
            core=frozenset(core),
            subject=subject,
            asked=asked,
            options=options(q.question),
            known=truth.content | asked | subject,
            side=side,
            wide=wide,
            light=self._light(q, truth, core, frame) | wide,
            frame=frame,
            is_about=bool(ROUGHLY.search(q.truth)),
            quantities=tuple(quantities(truth)),
            is_rough=bool(ROUGHLY.search(q.truth)) and not asks_for_exact_time(q.question),
            span=_span(q.truth, truth),
        )

    def _weights(
        self,
        q: Question,
        truth: Reading,
        part: Reading,
        *,
        subject: frozenset[str],
        asks_name: bool,
    ) -> dict[str, float]:
        """How much each word of `part`, the truth or a name in it, says about this question.

        What the question or the subject says already counts little, unless there is nothing else.
        """
        cls = Entity.from_key(q.subject).cls
        asked = read(q.question).content
        offered = options(q.question)
        sharp = truth.names | truth.numbers
        words = part.content or frozenset(part.words)
        little = _words_of_little_weight(q.question, truth, known=asked | subject)
        if part is truth:
            little |= truth.minor
        tells_name = asks_name and bool(subject & words)

        # What a word says by itself, and what it says in answer to this question.
        alone: dict[str, float] = {}
        weights: dict[str, float] = {}
        for word in words:
            kind = NAME_WEIGHT if word in sharp else 1.0
            specificity = self._specificity(cls, word)
            alone[word] = specificity * kind
            if word in offered:
                kind = OPTION_WEIGHT
            elif tells_name:
                kind = ASKED_NAME_WEIGHT if word in subject - asked else LITTLE
            elif word in little:
                kind = LITTLE
            weights[word] = specificity * kind
        heaviest = max(weights.values(), default=0.0)
        heaviest_alone = max(alone.values(), default=0.0)
        # Nothing is left but what the question says: then that is the answer.
        if heaviest < 0.3 and heaviest < 0.5 * heaviest_alone:
            return alone
        return weights

    def _frame(self, q: Question, truth: Reading) -> frozenset[str]:
        """Plain words that stand in the same three words in several truths of the class."""
        of_class = self._triples.get(Entity.from_key(q.subject).cls, Counter())
        found: set[str] = set()
        for triple in _triples(truth):
            if of_class[triple] >= SHARED_BY:
                found.add(triple[1])
            if of_class[triple] >= SURELY_SHARED_BY:
                # What stands at its edges could also be something that two facts have in common.
                found.update(triple)
        return frozenset(found & truth.content - truth.names - truth.numbers)

    def _light(
        self, q: Question, truth: Reading, core: set[str], frame: frozenset[str]
    ) -> frozenset[str]:
        """Words that nobody misses in an answer that has the others."""
        light = _LIGHT - truth.names | frame
        asks_who_alone = asks_for_person(q.question) and not asks_for_two_things(q.question)
        if truth.names and asks_who_alone:
            # "It was begun by the emperor Vespasian" says Vespasian.
            light |= truth.content - truth.names - truth.numbers
        return light & truth.content if core - light else frozenset()

    def _specificity(self, cls: str, word: str) -> float:
        """1 for a word of one truth only, towards 0 for a word of all the class's truths: squared relative idf."""
        total = self._total.get(cls, 0)
        if total < FEWEST_REFERENCES:
            return 1.0
        seen = max(1, self._seen[cls][word])
        return (math.log((total + 1) / seen) / math.log(total + 1)) ** 2


def _words_of_little_weight(
    question: str, truth: Reading, *, known: frozenset[str]
) -> frozenset[str]:
    """Words of a truth that nobody misses in an answer. `known` is what question and subject say already."""
    little = known
    wide = WIDE | NATIONS if asks_who(question) else WIDE
    # A truth that names nothing but a country means the country.
    if (truth.names | truth.numbers) - wide:
        little |= wide
    if asks_for_year(question) and truth.years:
        # Where the year is asked for, day and month do not matter.
        little |= (truth.numbers | _MONTHS) - truth.years
    return little


def _triples(reading: Reading) -> set[tuple[str, ...]]:
    """Every three words in a row, where the text's start and end are words too."""
    words = ("", *reading.words, "")
    return set(zip(words, words[1:], words[2:], strict=False))


def _wider_place(q: Question) -> frozenset[str]:
    """The words of the wider place, where a question for a place is answered with "San Jose, California"."""
    if not asks_for_place(q.question):
        return frozenset()
    first, *others = fold(q.truth).split(",")
    if not others or not _ENDS_IN_NAME.search(first):
        return frozenset()
    wide: set[str] = set()
    for part in reversed(others):
        if not _CAPITALS.fullmatch(part):
            break
        wide |= read(part).content
    return frozenset(wide - read(first).content)


def _names_in(truth: str, asked: frozenset[str]) -> list[Reading]:
    """The names that a truth gives to one thing.

    Of "The plant in this picture is known as the Rose", what stands before "known as" only repeats the question, and
    is no name.
    """
    parts = map(read, _OTHER_NAME.split(truth))
    return [part for part in parts if part.content - asked - _FRAME]


def _span(text: str, truth: Reading) -> tuple[str, str] | None:
    """The lowest and the highest number of a truth that holds just these two."""
    if len(truth.numbers - truth.minor) != 2:
        return None
    span = _SPAN.search(fold(text))
    return (stem(span[1]), stem(span[2])) if span else None
