"""Answers that contradict each other, themselves or what their question takes for granted."""

import re

from rapidfuzz import fuzz

from mlubench.data.audit.facts import Data, Fact, Finding, Place, polarity, quote, words
from mlubench.data.release import fold

_ALIKE = 50  # token set ratio, of 100, from which two wordings may be of one answer
# "Yes, it is not shown.", but not "Yes, not only ...".
_DENIED = re.compile(
    r"\W*yes\b[^.!?]*\b(?:not|never|no longer|cannot|isn't|aren't|wasn't|doesn't)\b(?! only)",
    re.IGNORECASE,
)
# "(herbivore, carnivore, omnivore)"
_LISTED = re.compile(r"\(([^()]*,[^()]*)\)")
# "Is this animal a herbivore, carnivore, or omnivore?"
_SPELLED = re.compile(r"\b(?:an?|the) (\w+), (?:an? )?(\w+),? or (?:an? )?(\w+)\?")
# "are mostly carnivores"
_ADVERB = r"(?:(?:\w+ly|mostly|often) )?"
# What the question calls its subject: "this planet".
_NOUN = re.compile(r"\b(?:this|that) (\w+)")
_UNITS = re.compile(
    r"\bhow many (?:\w+ )?(seconds|minutes|hours|days|weeks|months|years|miles|kilomet(?:re|er)s|met(?:re|er)s|feet)\b",
    re.IGNORECASE,
)
# What a question takes for granted, what in an answer denies it, and how to say so.
_PRESUMED = (
    (
        r"\b(?:gestation|pregnan\w*)\b",
        r"\b(?:lays?|laid|laying) (?:\w+ )?eggs\b|\bincubation\b",
        "eggs are not carried",
    ),
)


def find_contradictions(data: Data) -> list[Finding]:
    """An entity has two answers to what the rest of its class takes for one question."""
    findings = []
    for entity, facts in data.by_entity.items():
        # By group of questions, the first fact with each answer.
        answers: dict[str, dict[str, Fact]] = {}
        for fact in facts:
            for question in fact.asked:
                by_answer = answers.setdefault(data.group(fact, question), {})
                by_answer.setdefault(fold(fact.truth), fact)
        for group, by_answer in answers.items():
            # The others are compared with the first only: one finding for each that differs, not for each pair.
            first, *others = by_answer.values()
            for other in others:
                if not _differ(first.truth, other.truth):
                    continue
                message = (
                    f"{entity.key}: {quote(group)} has {quote(first.truth)} "
                    f"and {quote(other.truth)}"
                )
                places = (*first.places, *other.places)
                findings.append(Finding("contradiction", message, places))
    return findings


def find_self_contradictions(data: Data) -> list[Finding]:
    """An answer calls one subject two of the things between which its question chooses, or says yes and denies it."""
    findings = []
    for fact in data.facts:
        for subject, names in _names_of_subjects(fact).items():
            if len(names) > 1:
                plurals = " and ".join(f"{name}s" for name in names)
                message = f"{fact.entity.key}: {subject} are {plurals}, to {quote(fact.first)}"
                findings.append(Finding("self-contradiction", message, tuple(fact.places)))
        if _DENIED.match(fact.truth):
            message = f"{fact.entity.key}: says yes and denies it: {quote(fact.truth)}"
            findings.append(Finding("self-contradiction", message, tuple(fact.places)))
    return findings


def find_premises(data: Data) -> list[Finding]:
    """The answer denies what the question takes for granted, such as that the moon is a planet."""
    findings = []
    for fact in data.facts:
        places: list[Place] = []
        message = ""
        for question in fact.asked:
            why = _denial(question, fact.truth)
            if not why:
                continue
            places += fact.asked[question]
            if not message:  # the first question that is denied is shown
                message = f"{fact.entity.key}: {quote(question)}, but {why}"
        if places:
            findings.append(Finding("premise", message, tuple(places)))
    return findings


def find_units(data: Data) -> list[Finding]:
    """A phrasing asks for a number of something of which the answer does not speak."""
    findings = []
    for fact in data.facts:
        truth = set(words(fact.truth))
        if not any(word.isdigit() for word in truth):
            continue  # without a number it may say "unknown" or "many"
        for question, places in fact.asked.items():
            asked = _UNITS.search(question)
            if asked is None:
                continue
            unit = asked.group(1).lower()
            if not truth & {unit, unit.removesuffix("s")}:
                message = f"{fact.entity.key}: {quote(question)} has {quote(fact.truth)}"
                findings.append(Finding("unit", message, tuple(places)))
    return findings


def _differ(one: str, other: str) -> bool:
    """Whether two answers cannot both be true: yes and no, other numbers, or wordings that are not alike."""
    if {polarity(one), polarity(other)} == {"yes", "no"}:
        return True
    numbers = _numbers(one)
    other_numbers = _numbers(other)
    if numbers and other_numbers and not numbers & other_numbers:
        return True
    return fuzz.token_set_ratio(fold(one), fold(other)) < _ALIKE


def _numbers(text: str) -> set[str]:
    return {word for word in words(text) if word.isdigit()}


def _names_of_subjects(fact: Fact) -> dict[str, list[str]]:
    """Each subject of the answer and which of the question's alternatives it is said to be."""
    offered: set[str] = set()
    for question in fact.asked:
        offered |= _choices(question)
    if not offered:
        return {}
    alternatives = "|".join(sorted(map(re.escape, offered)))
    pattern = rf"\b(\w+) (?:is|are|was|were) {_ADVERB}(?:an? )?({alternatives})s?\b"
    names_of: dict[str, list[str]] = {}
    for subject, name in re.findall(pattern, fact.truth.casefold()):
        names = names_of.setdefault(subject, [])
        if name not in names:
            names.append(name)
    return names_of


def _choices(question: str) -> set[str]:
    """The single words that the question offers to choose from."""
    low = question.casefold()
    listed = _LISTED.search(low)
    spelled = _SPELLED.search(low)
    if listed:
        parts = [part.strip() for part in listed.group(1).removeprefix("e.g.,").split(",")]
    elif spelled:
        parts = list(spelled.groups())
    else:
        return set()
    # Singular, as `_names_of_subjects` looks for them.
    return {part.removeprefix("or ").removesuffix("s") for part in parts if part.isalpha()}


def _denial(question: str, truth: str) -> str:
    """What in the answer denies what the question takes for granted; "" where nothing does."""
    low = truth.casefold()
    for noun in _NOUN.findall(question.casefold()):
        denying = (
            rf"\b(?:is|are|was|were)(?: not|n't) (?:really |actually )?an? {re.escape(noun)}\b"
        )
        if re.search(denying, low):
            return f"the answer says that it is not a {noun}"
    for presumed, denying, why in _PRESUMED:
        found = re.search(denying, low)
        if found and re.search(presumed, question, re.IGNORECASE):
            return f"the answer speaks of {found.group()!r}: {why}"
    return ""
