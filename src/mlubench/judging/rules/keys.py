"""What the rules look for in an answer: the words of the truth, and how much each of them says."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlubench.judging.rules.text import MONTHS, PEOPLES, Reading, fold, read, stem, word_set
from mlubench.types import Entity, Question

NAME_WEIGHT = 3.0
OPTION_WEIGHT = 6.0  # of an answer that the question itself offers: it alone is the whole answer
LITTLE = 0.1
FEWEST_REFERENCES = 8

WHEN = re.compile(
    r"\b(?:when|date|year|years|how (?:long|many|old|much|far|tall|big)|period|duration|position)\b",
    re.I,
)
ALSO_ASKED = re.compile(
    r"\b(?:where|who|whom|place|birthplace)\b"
    r"|\b(?:which|what) (?:\w+ )?(?:network|channel|studio|country|city|company)\b",
    re.I,
)
_NAMING = re.compile(
    r"\b(?:names?|titles?|called|referred to|identify)\b|\bwhat do people (?:\w+ )?call\b"
    r"|^who is (?:this|that|he|she)\b"
    r"|\b(?:which|what) [\w -]{1,40}? (?:(?:does|do|is) (?:this|the|that) (?:picture|image|photo)\b|(?:do|can) you see\b|"
    r"(?:are )?we (?:are )?(?:looking at|see)\b|is (?:this|that|it|shown|pictured)\W*$|"
    r"(?:this|the) (?:picture|image|photo) (?:shows?|belongs to|is from|comes from)\b)",
    re.IGNORECASE,
)
_SCIENTIFIC = re.compile(r"\b(?:scientific|botanical|latin|binomial)\b", re.I)
_SPAN = re.compile(r"\b(\d+(?:[.,]\d+)*) ?(?:-|to|and) ?(\d+(?:[.,]\d+)*)\b")
_YEAR = re.compile(r"\b(?:what|which) year\b", re.I)
_EXACT = re.compile(r"\b(?:date|when|year)\b(?! years)", re.I)
_OR = re.compile(r"\bor\b", re.I)
_CLOSED = re.compile(
    r"^\W*(?:is|are|was|were|does|do|did|has|have|can|could|will)\b(?! you\b)", re.I
)
_OPTIONS = re.compile(
    r"(?:\b[a-z]{3,}, ){2,}(?:or )?[a-z]{3,}|(?:\b[a-z]{3,}, )+or [a-z]{3,}|\([a-z]{3,}(?:, [a-z]{3,})+\)",
    re.I,
)
_LAST_OPTION = re.compile(r"\bor ([^?]*)", re.I)
# At the start, or after a scrap of the question that some published answers begin with.
_YES_NO = re.compile(r"^[^a-z]*(yes|no)\b(?=\W*$|\s*[,.;:!\n-])|[?\n][^a-z]*(yes|no),", re.I)
_OTHER_NAME = re.compile(
    r"[()]|,? ?\b(?:also |better )?known as\b|,? ?\bwhich translates to\b|\bin English\b",
    re.IGNORECASE,
)
ROUGHLY = re.compile(r"\b(?:about|approximately|around|roughly|nearly)\b", re.I)
_MONTHS = frozenset(map(stem, MONTHS))
# Where a city is told nobody misses the country, and where a person is named nobody misses the nation.
WIDE = frozenset({"usa", "uk"})
NATIONS = frozenset(map(stem, (*PEOPLES, "american")))
_WHO = re.compile(r"\b(?:who|whom|whose)\b", re.I)
_FRAME = frozenset(map(stem, word_set("picture image photo name title common called")))
# Words of a path that name no entity.
_NO_NAME = frozenset(
    map(stem, word_set("logo corporation inc tv show series movie film live statues"))
)


@dataclass(frozen=True, slots=True)
class Key:
    """The truth of one question, ready to be compared with any number of answers."""

    truth: Reading
    weights: tuple[
        Mapping[str, float], ...
    ]  # one for each way the truth names the thing; the best match counts
    core: frozenset[str]  # the words that say something specific
    subject: frozenset[str]
    asked: frozenset[str]
    options: frozenset[str]  # the answers that the question itself offers
    known: frozenset[str]  # words that an answer may say without claiming anything new
    polarity: str
    rough: bool
    span: (
        tuple[str, str] | None
    )  # a truth that names a lowest and a highest number is met by what lies between


class Keys:
    """Makes and keeps the keys. `references` are (class, truth) pairs: they teach which words a class shares."""

    def __init__(self, references: Iterable[tuple[str, str]] = ()) -> None:
        truths: dict[str, set[str]] = defaultdict(set)
        for cls, truth in references:
            truths[cls].add(truth)
        self._total = {cls: len(known) for cls, known in truths.items()}
        self._seen = {
            cls: Counter(w for t in known for w in read(t).content) for cls, known in truths.items()
        }
        self._keys: dict[tuple[str, str, str], Key] = {}

    def key(self, q: Question) -> Key:
        """The key for a question about a subject with this truth; made once."""
        at = (q.subject, q.question, q.truth)
        key = self._keys.get(at)
        if key is None:
            key = self._keys[at] = self._make(q)
        return key

    def _specificity(self, cls: str, word: str) -> float:
        """1 for a word of one truth only, towards 0 for a word of all the class's truths: squared relative idf."""
        total = self._total.get(cls, 0)
        if total < FEWEST_REFERENCES:
            return 1.0
        seen = max(1, self._seen[cls][word])
        return (math.log((total + 1) / seen) / math.log(total + 1)) ** 2

    def _make(self, q: Question) -> Key:
        truth, asked = read(q.truth), read(q.question).content
        span = _SPAN.search(fold(q.truth)) if len(truth.numbers - truth.minor) == 2 else None
        subject = read(Entity.from_key(q.subject).title).content - _NO_NAME
        naming = bool(_NAMING.search(q.question)) and not (
            WHEN.search(q.question) or _SCIENTIFIC.search(q.question)
        )
        # "The plant in this picture is | known as | the Rose": what only repeats the question is no name.
        parts = (
            [r for r in map(read, _OTHER_NAME.split(q.truth)) if r.content - asked - _FRAME]
            if naming
            else []
        )
        readings = parts or [truth]
        weights = [
            self._weights(q, truth, part, subject=subject, naming=naming) for part in readings
        ]
        heaviest = max((x for w in weights for x in w.values()), default=0.0)
        core = frozenset(t for w in weights for t, x in w.items() if x >= 0.25 * heaviest)
        side = polarity(q.question, q.truth, truth)
        if side:
            weights = [{**w, side: (sum(w.values()) or 1.0) * 0.8} for w in weights]
        return Key(
            truth=truth,
            weights=tuple(weights),
            core=core,
            subject=subject,
            asked=asked,
            options=_options(q.question),
            known=truth.content | asked | subject,
            polarity=side,
            rough=bool(ROUGHLY.search(q.truth)) and not _EXACT.search(q.question),
            span=(stem(span[1]), stem(span[2])) if span else None,
        )

    def _weights(
        self, q: Question, truth: Reading, part: Reading, *, subject: frozenset[str], naming: bool
    ) -> dict[str, float]:
        """How much each word says. What the question or the subject already says counts little, unless it is all."""
        cls, asked, options = (
            Entity.from_key(q.subject).cls,
            read(q.question).content,
            _options(q.question),
        )
        sharp = truth.names | truth.numbers
        words = part.content or frozenset(part.words)
        wide = WIDE | NATIONS if _WHO.search(q.question) else WIDE
        asides = truth.minor if part is truth else frozenset()
        named, by_year = (
            naming and bool(subject & words),
            bool(_YEAR.search(q.question) and truth.years),
        )

        def says(t: str) -> float:
            if t in options:
                return OPTION_WEIGHT
            if named:
                return 10 * NAME_WEIGHT if t in subject - asked else LITTLE
            if t in asked or t in subject or t in asides or (t in wide and sharp - wide):
                return LITTLE
            if by_year and t not in truth.years and (t in truth.numbers or t in _MONTHS):
                return LITTLE
            return NAME_WEIGHT if t in sharp else 1.0

        specific = {t: self._specificity(cls, t) for t in words}
        full = {t: w * (NAME_WEIGHT if t in sharp else 1.0) for t, w in specific.items()}
        weights = {t: w * says(t) for t, w in specific.items()}
        left, most = max(weights.values(), default=0.0), max(full.values(), default=0.0)
        return full if left < 0.3 and left < 0.5 * most else weights


def _options(question: str) -> frozenset[str]:
    """The answers that a question offers: "(herbivore, carnivore, omnivore)", "native, or found globally"."""
    offered = " ".join(_OPTIONS.findall(question))
    last = _LAST_OPTION.search(question) if _CLOSED.search(question) else None
    return read(f"{offered} {last[1] if last else ''}").content


def polarity(question: str, text: str, reading: Reading) -> str:
    """The side that a text takes on a yes-or-no question, "yes" or "no"; "" where there are no sides."""
    said = _YES_NO.search(text)
    if said:
        return (said[1] or said[2]).lower()
    if not _CLOSED.search(question) or _OR.search(question):
        return ""
    return "no" if read(question).content & reading.negated else "yes"
