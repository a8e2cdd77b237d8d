"""Answers that cannot be a truth: refusals, descriptions of one picture, and the same said twice."""

import re
from collections.abc import Callable
from itertools import combinations

from rapidfuzz import fuzz

from mlubench.data.audit.facts import Data, Fact, Finding, quote, words
from mlubench.data.audit.names import title
from mlubench.data.release import fold

Refuses = Callable[[str], str]

# The first sentence.
_FIRST = re.compile(r".*?[.!?](?=\s|$)|.+", re.DOTALL)
# "in the image", "the picture you gave me".
_PICTURE = re.compile(
    r"\b(?:in|of|from|by) (?:the|this|your) (?:image|picture|photo(?:graph)?)\b|\b(?:image|picture) you\b",
    re.IGNORECASE,
)
_SAME = 92  # ratio of 100 from which two answers say one thing
# Facts of one entity that are compared. All pairs are, so that many facts would take very long.
_MOST_COMPARED = 200


def refusal_finder(refuses: Refuses) -> Callable[[Data], list[Finding]]:
    """Finds truths whose first sentence declines, by the rule `refuses` (the words by which a text declines, or "")."""

    def find(data: Data) -> list[Finding]:
        findings = []
        for fact in data.facts:
            first = _FIRST.match(fact.truth)
            if first and refuses(first.group()):
                message = f"{fact.entity.key}: {quote(fact.first)} has {quote(fact.truth)}"
                findings.append(Finding("refusal", message, tuple(fact.places)))
        return findings

    return find


def find_picture_bound(data: Data) -> list[Finding]:
    """An answer speaks of "the image" and is the truth for several: it was written for one of them."""
    findings = []
    for fact in data.facts:
        pictures = {place.image for place in fact.places}
        found = _PICTURE.search(fact.truth)
        if found and len(pictures) > 1 and not _only_names(fact):
            # The sentence that speaks of the picture, up to the answer's end.
            start = fact.truth.rfind(".", 0, found.start()) + 1
            sentence = fact.truth[start:].strip()
            message = f"{fact.entity.key}: {quote(sentence)} on {len(pictures)} pictures"
            findings.append(Finding("picture-bound", message, tuple(fact.places)))
    return findings


def find_near_duplicates(data: Data) -> list[Finding]:
    """Two facts of one entity have almost the same answer to different questions, so one is counted twice."""
    findings = []
    for entity, facts in data.by_entity.items():
        # Facts that answer one question may well be alike: only the first of each group is compared.
        first_of: dict[str, Fact] = {}
        for fact in facts[:_MOST_COMPARED]:
            first_of.setdefault(data.group(fact, fact.first), fact)
        folded = [(fact, fold(fact.truth)) for fact in first_of.values()]
        for (one, truth), (other, other_truth) in combinations(folded, 2):
            if fuzz.ratio(truth, other_truth, score_cutoff=_SAME):
                message = f"{entity.key}: {quote(one.truth)} to {quote(one.first)} and {quote(other.first)}"
                findings.append(Finding("near-duplicate", message, (*one.places, *other.places)))
    return findings


def _only_names(fact: Fact) -> bool:
    """Whether one sentence with the whole name says what the picture shows: true of every picture of it."""
    first = _FIRST.match(fact.truth)
    if first is None or first.group() != fact.truth:
        return False
    return set(words(title(fact.entity))) <= set(words(fact.truth))
