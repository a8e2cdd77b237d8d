"""Phrasings that ask for something else than the rest of their question, and questions that are asked in too few ways."""

import re
from collections import Counter, defaultdict

from mlubench.data.audit.facts import Data, Finding, Place, plain, quote, words

# "(herbivore, carnivore)" only explains a question.
_BRACKETS = re.compile(r"\([^()]*\)")
_LONG = 4  # letters from which a word says something
_STEM = 6  # letters by which two words count as one
# Long words that only hold a question together.
_FRAME = {
    "what",
    "which",
    "when",
    "where",
    "does",
    "this",
    "that",
    "have",
    "tell",
    "would",
    "could",
    "with",
    "from",
}
_ENOUGH = 3  # phrasings, from which a majority means something

# What a question asks for, by the words that say so.
_TIMES = r"(?:\w+ )?(?:years|months|weeks|days|hours|minutes)\b"
_ASKED = {
    "when": r"(?:^|\band |, )when\b|\b(?:what|which) year\b|\bdates?\b|\bbirthdate\b",
    "where": r"(?:^|\band |, )where\b|\blocation\b|\bbirthplace\b|\bplace\b|\bwhich (?:city|country|area|region)\b",
    "who": r"\bwho(?:m|se)?\b",
    "why": r"(?:^|\band )why\b|\breasons?\b|\bpurpose\b|\bintent\b",
    "how long": rf"\bhow long\b|\bduration\b|\bperiod\b|\b(?:how many|number of) {_TIMES}",
    "how many": rf"\b(?:how many|number of) (?!{_TIMES})",
    "theme": r"\bthemes?\b",
    "plot": r"\bplot\b|\bstoryline\b|\bpremise\b|\bstory\b",
    "colour": r"\bcolou?rs?\b",
    # Not every "name": "please name its habitat" asks for something else.
    "name": r"\b(?:title|called|call)\b|\breferred to\b|(?:'s|\b(?:the|its|full|common|usual)) name\b",
}
_PATTERNS = {asks_for: re.compile(pattern) for asks_for, pattern in _ASKED.items()}


def find_phrasings(data: Data) -> list[Finding]:
    """A phrasing asks for another kind of thing than most of its group, or speaks of what another question asks."""
    places: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for fact in data.facts:
        for question, asking in fact.asked.items():
            places[fact.entity.cls, plain(question)] += asking
    findings = []
    for cls in data.by_class:
        groups: dict[str, list[str]] = defaultdict(list)
        for (group_class, question), root in data.groups.items():
            if group_class == cls:
                groups[root].append(question)
        # A phrasing may be found by both; the second says more clearly what is wrong.
        wrong = _elsewhere(groups) | _other_kind(groups)
        for question, why in wrong.items():
            message = f"{cls}: {quote(question)} {why}"
            findings.append(Finding("phrasing", message, tuple(places[cls, question])))
    return findings


def _other_kind(groups: dict[str, list[str]]) -> dict[str, str]:
    """Phrasings that ask for what no other of their group does, and for nothing that most of them do."""
    wrong = {}
    for questions in groups.values():
        if len(questions) < _ENOUGH:
            continue
        asked = {question: _kinds(question) for question in questions}
        counts = _count_kinds(questions)
        usual = _usual(counts, questions)
        for question, kinds in asked.items():
            alone = sorted(kind for kind in kinds if counts[kind] == 1)
            if usual and alone and not kinds & usual:
                wrong[question] = f"asks {'/'.join(alone)}, the others {'/'.join(sorted(usual))}"
    return wrong


def _kinds(question: str) -> set[str]:
    """What the question asks for, as keys of `_PATTERNS`."""
    return {asks_for for asks_for, pattern in _PATTERNS.items() if pattern.search(question)}


def _count_kinds(questions: list[str]) -> Counter[str]:
    """How many of the phrasings ask for each kind of thing."""
    counts: Counter[str] = Counter()
    for question in questions:
        counts.update(_kinds(question))
    return counts


def _usual(counts: Counter[str], questions: list[str]) -> set[str]:
    """What most of the phrasings ask for, of which `counts` says how many ask for each."""
    return {kind for kind, count in counts.items() if count * 2 > len(questions)}


def _elsewhere(groups: dict[str, list[str]]) -> dict[str, str]:
    """Phrasings with a word that is typical of one other question and with none that is typical of their own."""
    typical: dict[str, set[str]] = {}
    for root, questions in groups.items():
        if len(questions) >= _ENOUGH:
            typical[root] = _usual_words(questions)
    # The questions for which a stem is typical, by stem.
    roots_of: dict[str, list[str]] = defaultdict(list)
    for root, stems in typical.items():
        for stem in stems:
            roots_of[stem].append(root)
    # How many questions of the class have a phrasing with this stem.
    spread = Counter(stem for questions in groups.values() for stem in _stems(" ".join(questions)))
    # A stem that is typical of one question alone is its mark. One that a third question has too is a word of the class, as
    # "company" is.
    owner = {
        stem: roots[0] for stem, roots in roots_of.items() if len(roots) == 1 and spread[stem] <= 2
    }
    wrong = {}
    for root in typical:
        if root not in owner.values():
            continue  # without a mark of its own a question cannot lack it
        for question in groups[root]:
            marks = sorted(stem for stem in _stems(question) if stem in owner)
            owners = [owner[stem] for stem in marks]
            if not marks or root in owners:
                continue
            # It asks for what the others ask for, whatever words it borrows.
            if _kinds(question) & _usual(_count_kinds(groups[root]), groups[root]):
                continue
            # The message names the owner of the first mark, and the last of that owner's marks.
            other_root = owners[0]
            shown_stem = max(stem for stem in marks if owner[stem] == other_root)
            shown = next(word for word in words(question) if word.startswith(shown_stem))
            wrong[question] = f"has {shown!r} of {quote(other_root)} and no word of its own"
    return wrong


def _usual_words(questions: list[str]) -> set[str]:
    """The stems of words in at least half of the phrasings; what stands in brackets does not count."""
    counts: Counter[str] = Counter()
    for question in questions:
        counts.update(_stems(_BRACKETS.sub("", question)))
    return {stem for stem, count in counts.items() if count * 2 >= len(questions)}


def _stems(question: str) -> set[str]:
    """Its longer words, cut so that "contributions" and "contributed" are one."""
    return {word[:_STEM] for word in words(question) if len(word) >= _LONG and word not in _FRAME}
