"""Names where they should not be: an entity's own in its question, another's in its answer, none where it was asked."""

import re
from collections import defaultdict
from itertools import combinations

from mlubench.data.audit.facts import Data, Fact, Finding, plain, quote, words
from mlubench.data.naming import without_generic_ending
from mlubench.types import Entity

_WORD = re.compile(r"[^\W_]+")
_COMPANY = {"Inc", "Corporation", "Corp", "Company", "Ltd", "Group"}
_SMALL = {"of", "the", "a", "an", "and", "in", "on", "for"}
_NAMING = re.compile(
    r"\bname of (?:this|that)\b|\b(?:this|that) \w+(?:'s|’s) name\b|\bcommon name\b|\btitle\b|\bcalled\b|"
    r"\bcall th|\breferred to\b"
)
_SENTENCE_START = re.compile(r"(?:^|[.!?:;]['\"”’)]*\s+|\n\s*(?:-\s+)?)['\"“*(]*\Z")


def find_leaks(data: Data) -> list[Finding]:
    """A question names its own entity; a part of the name counts where no other entity is asked so."""
    asking: dict[str, set[Entity]] = defaultdict(set)
    for fact in data.facts:
        for question in fact.asked:
            asking[plain(question)].add(fact.entity)
    findings = []
    for fact in data.facts:
        name = words(title(fact.entity))
        for question, places in fact.asked.items():
            said = words(question)
            whole = bool(name) and any(said[i : i + len(name)] == name for i in range(len(said)))
            alone = len(asking[plain(question)]) == 1 and len(data.entities) > 1
            if whole or (alone and any(len(word) > 3 and word in said for word in name)):
                findings.append(
                    Finding("leak", f"{fact.entity.key}: {quote(question)}", tuple(places))
                )
    return findings


def find_others(data: Data) -> list[Finding]:
    """An answer names another entity of the benchmark; worst where one of the two is to be forgotten, the other kept."""
    splits = {
        entity: {p.split for f in facts for p in f.places}
        for entity, facts in data.by_entity.items()
    }
    named: dict[tuple[str, ...], list[Entity]] = defaultdict(list)
    for entity in data.entities:
        if parts := _WORD.findall(title(entity)):
            named[tuple(parts)].append(entity)
    sizes: dict[str, set[int]] = defaultdict(set)
    for name in named:
        sizes[name[0]].add(len(name))
    findings = []
    for fact in data.facts:
        for other in _named(fact, named, sizes):
            if splits[other] == splits[fact.entity]:
                note = f"both {'/'.join(sorted(splits[other]))}"
            else:
                note = f"{'/'.join(sorted(splits[fact.entity]))} names {'/'.join(sorted(splits[other]))}"
            findings.append(
                Finding(
                    "other-entity",
                    f"{fact.entity.key}: names {other.key} ({note})",
                    tuple(fact.places),
                )
            )
    return findings


def find_wrong_names(data: Data) -> list[Finding]:
    """A question for the name is answered with no word of the entity's name, where that can be compared."""
    findings = []
    for fact in data.facts:
        naming = sum(bool(_NAMING.search(plain(question))) for question in fact.asked)
        name = {word.removesuffix("s") for word in words(title(fact.entity))}
        said = {word.removesuffix("s") for word in words(fact.truth)}
        if naming * 2 > len(fact.asked) and name and not name & said:
            message = f"{fact.entity.key}: {quote(fact.first)} has {quote(fact.truth)}"
            findings.append(Finding("wrong-name", message, tuple(fact.places)))
    return findings


def find_like_entities(data: Data) -> list[Finding]:
    """One entity's name holds all words of another's in its class, so that questions about one may hit the other."""
    findings = []
    by_class: dict[str, list[Entity]] = defaultdict(list)
    for entity in data.entities:
        by_class[entity.cls].append(entity)
    for entities in by_class.values():
        named: dict[str, list[tuple[Entity, set[str]]]] = defaultdict(list)
        for entity in entities:
            parts = set(words(title(entity)))
            for word in parts if len(parts) > 1 else ():
                named[word].append((entity, parts))
        pairs = {
            (one[0], other[0])
            for same in named.values()
            if len(same) <= 50  # a word of more names than that tells none of them
            for one, other in combinations(same, 2)
            if one[1] <= other[1] or other[1] <= one[1]
        }
        findings += [
            Finding("like-entities", f"{one.key} and {other.key}") for one, other in sorted(pairs)
        ]
    return findings


def title(entity: Entity) -> str:
    """The name without what only says what it is a picture of: a logo, a TV show."""
    return without_generic_ending(entity.name).replace("_", " ") or entity.title


def _named(
    fact: Fact, named: dict[tuple[str, ...], list[Entity]], sizes: dict[str, set[int]]
) -> list[Entity]:
    """Other entities whose names the answer holds with their capitals, and not as a part of a longer name."""
    found = list(_WORD.finditer(fact.truth))
    said = tuple(match.group() for match in found)
    own = set(words(title(fact.entity)))
    hits: dict[Entity, None] = {}
    for start, word in enumerate(said):
        for size in sizes.get(word, ()):
            others = named.get(said[start : start + size], ())
            if not others or {part.casefold() for part in said[start : start + size]} <= own:
                continue
            if size > 1 or not (
                _begins(fact.truth, found[start]) or _within_name(fact.truth, found, start)
            ):
                hits.update(dict.fromkeys(others))
    return list(hits)


def _begins(text: str, word: re.Match[str]) -> bool:
    """Whether the word has its capital from beginning a sentence or line."""
    return bool(_SENTENCE_START.search(text[max(word.start() - 6, 0) : word.start()]))


def _within_name(text: str, found: list[re.Match[str]], start: int) -> bool:
    """Whether the word is part of a longer name, as in "The Power of the Dog", where nothing but spaces parts them."""
    after = found[start + 1] if start + 1 < len(found) else None
    if (
        after
        and _joined(text, found[start], after)
        and after.group() not in _COMPANY
        and after.group()[:1].isupper()
    ):
        return True
    here = start
    while here and _joined(text, found[here - 1], found[here]):
        here -= 1
        if found[here].group()[:1].isupper():
            return True
        if found[here].group() not in _SMALL or start - here > 2:
            return False
    return False


def _joined(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    return text[one.end() : other.start()] in (" ", "-")
