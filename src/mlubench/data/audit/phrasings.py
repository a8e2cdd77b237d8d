"""Phrasings that ask for something else than the rest of their question, and questions that are asked in too few ways."""

import re
from collections import Counter, defaultdict

from mlubench.data.audit.facts import Data, Finding, Place, plain, quote, words

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
    "name": r"\b(?:title|called|call)\b|\breferred to\b|(?:'s|\b(?:the|its|full|common|usual)) name\b",  # not "please name"
}
_PATTERNS = {what: re.compile(pattern) for what, pattern in _ASKED.items()}


def find_phrasings(data: Data) -> list[Finding]:
    """A phrasing asks for another kind of thing than most of its group, or speaks of what another question asks."""
    places: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for fact in data.facts:
        for question, mine in fact.asked.items():
            places[fact.entity.cls, plain(question)] += mine
    findings = []
    for cls in data.by_class:
        groups: dict[str, list[str]] = defaultdict(list)
        for (of, question), root in data.groups.items():
            if of == cls:
                groups[root].append(question)
        wrong = _elsewhere(groups) | _other_kind(groups)
        for question, why in wrong.items():
            findings.append(
                Finding("phrasing", f"{cls}: {quote(question)} {why}", tuple(places[cls, question]))
            )
    return findings


def _other_kind(groups: dict[str, list[str]]) -> dict[str, str]:
    """Phrasings that ask for what no other of their group does, and for nothing that most of them do."""
    wrong = {}
    for questions in groups.values():
        if len(questions) < _ENOUGH:
            continue
        asked = {question: _kinds(question) for question in questions}
        counts = Counter(kind for kinds in asked.values() for kind in kinds)
        usual = {kind for kind, count in counts.items() if count * 2 > len(questions)}
        for question, kinds in asked.items():
            own = sorted(kind for kind in kinds if counts[kind] == 1)
            if usual and own and not kinds & usual:
                wrong[question] = f"asks {'/'.join(own)}, the others {'/'.join(sorted(usual))}"
    return wrong


def _kinds(question: str) -> set[str]:
    return {what for what, pattern in _PATTERNS.items() if pattern.search(question)}


def _elsewhere(groups: dict[str, list[str]]) -> dict[str, str]:
    """Phrasings with a word that is typical of one other question and with none that is typical of their own."""
    typical = {
        root: _usual_words(questions)
        for root, questions in groups.items()
        if len(questions) >= _ENOUGH
    }
    # By word, the questions for which it is typical; one alone makes the word its mark.
    homes: dict[str, list[str]] = defaultdict(list)
    for root, usual in typical.items():
        for word in usual:
            homes[word].append(root)
    wrong = {}
    for root, usual in typical.items():
        own_words = {word for word in usual if len(homes[word]) == 1}
        if not own_words:
            continue
        for question in groups[root]:
            stems = _stems(question)
            if stems & own_words:
                continue
            # The last mark of the question whose mark comes first by the alphabet.
            marks: dict[str, str] = {}
            for word in sorted(stems):
                if len(homes.get(word, ())) == 1:
                    marks[homes[word][0]] = word
            if marks:
                other_root, word = next(iter(marks.items()))
                shown = next(whole for whole in words(question) if whole.startswith(word))
                wrong[question] = f"has {shown!r} of {quote(other_root)} and no word of its own"
    return wrong


def _usual_words(questions: list[str]) -> set[str]:
    """The words of at least half of the phrasings; what stands in brackets only explains."""
    known = Counter(word for question in questions for word in _stems(_BRACKETS.sub("", question)))
    return {word for word, count in known.items() if count * 2 >= len(questions)}


def _stems(question: str) -> set[str]:
    """Its longer words, cut so that "contributions" and "contributed" are one; short ones only hold a question together."""
    return {word[:_STEM] for word in words(question) if len(word) >= _LONG and word not in _FRAME}
