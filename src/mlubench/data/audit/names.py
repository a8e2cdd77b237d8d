"""Names where they should not be: an entity's own in its question, another's in its answer, none where it was asked."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from mlubench.data.audit.facts import Data, Fact, Finding, places_of, plain, quote, words
from mlubench.data.naming import without_generic_ending
from mlubench.types import Entity, Split

_COMMON_WORD = 50  # a word of more names than that tells none of them
_WORD = re.compile(r"[^\W_]+")
# After these a name goes on but is the same: "Ford Corporation" is Ford.
_COMPANY = {"Inc", "Corporation", "Corp", "Company", "Ltd", "Group"}
# Words that stand small within a name: "The Power of the Dog".
_SMALL = {"of", "the", "a", "an", "and", "in", "on", "for"}
# Questions that ask for the name.
_NAMING = re.compile(
    r"\bname of (?:this|that)\b|\b(?:this|that) \w+(?:'s|’s) name\b|\bcommon name\b|\btitle\b|\bcalled\b|"
    r"\bcall th|\breferred to\b"
)
# What stands before a word that has its capital from beginning a sentence, a line or an item of a list.
_SENTENCE_START = re.compile(r"(?:^|[.!?:;]['\"”’)]*\s+|\n\s*(?:-\s+)?)['\"“*(]*\Z")


def find_leaks(data: Data) -> list[Finding]:
    """A question on a picture names its own entity; a part of the name counts where no other entity is asked so."""
    asking: dict[str, set[Entity]] = defaultdict(set)
    for fact in data.facts:
        for question in fact.asked:
            asking[plain(question)].add(fact.entity)
    findings = []
    for fact in data.facts:
        name = words(title(fact.entity))
        for question, places in fact.asked.items():
            asked_words = words(question)
            asked_of_one = len(asking[plain(question)]) == 1 and len(data.entities) > 1
            # Short words ("the", "of") are parts of names and of questions alike.
            has_part = any(len(word) > 3 and word in asked_words for word in name)
            # In words alone there is nothing but the name to say who is meant.
            shown = tuple(place for place in places if place.image)
            if shown and (_holds(asked_words, name) or (asked_of_one and has_part)):
                message = f"{fact.entity.key}: {quote(question)}"
                findings.append(Finding("leak", message, shown))
    return findings


def _holds(text: list[str], name: list[str]) -> bool:
    """Whether the name's words stand in the text one behind the other."""
    if not name:
        return False
    return any(text[start : start + len(name)] == name for start in range(len(text)))


def find_others(data: Data) -> list[Finding]:
    """An answer names another entity of the benchmark; worst where one of the two is to be forgotten, the other kept."""
    splits: dict[Entity, set[Split]] = {}
    for entity, facts in data.by_entity.items():
        splits[entity] = {place.split for place in places_of(facts)}
    index = _NameIndex(data.entities)
    findings = []
    for fact in data.facts:
        for other in _others_named(fact, index):
            one = "/".join(sorted(splits[fact.entity]))
            another = "/".join(sorted(splits[other]))
            note = f"both {another}" if one == another else f"{one} names {another}"
            message = f"{fact.entity.key}: names {other.key} ({note})"
            findings.append(Finding("other-entity", message, tuple(fact.places)))
    return findings


def find_wrong_names(data: Data) -> list[Finding]:
    """A question for the name is answered with no word of the entity's name, where that can be compared."""
    findings = []
    for fact in data.facts:
        naming = sum(bool(_NAMING.search(plain(question))) for question in fact.asked)
        asks_for_name = naming * 2 > len(fact.asked)
        # Without the "s" of a plural: "Lions are cats." names the Lion.
        name = {word.removesuffix("s") for word in words(title(fact.entity))}
        truth = {word.removesuffix("s") for word in words(fact.truth)}
        # A name without a word, of signs alone, can be compared with nothing.
        if asks_for_name and name and not name & truth:
            message = f"{fact.entity.key}: {quote(fact.first)} has {quote(fact.truth)}"
            findings.append(Finding("wrong-name", message, tuple(fact.places)))
    return findings


def find_like_entities(data: Data) -> list[Finding]:
    """One entity's name holds all words of another's in its class, so that questions about one may hit the other."""
    by_class: dict[str, list[Entity]] = defaultdict(list)
    for entity in data.entities:
        by_class[entity.cls].append(entity)
    findings = []
    for entities in by_class.values():
        for one, other in sorted(_like_pairs(entities)):
            findings.append(Finding("like-entities", f"{one.key} and {other.key}"))
    return findings


def _like_pairs(entities: list[Entity]) -> set[tuple[Entity, Entity]]:
    """Pairs of which one's name holds all words of the other's."""
    parts = {entity: set(words(title(entity))) for entity in entities}
    # Only entities that share a word can be a pair; all pairs would be too many.
    sharing: dict[str, list[Entity]] = defaultdict(list)
    for entity in entities:
        # A name of one word is part of many.
        if len(parts[entity]) > 1:
            for word in parts[entity]:
                sharing[word].append(entity)
    pairs: set[tuple[Entity, Entity]] = set()
    for candidates in sharing.values():
        if len(candidates) > _COMMON_WORD:
            continue
        for one, other in combinations(candidates, 2):
            if parts[one] <= parts[other] or parts[other] <= parts[one]:
                pairs.add((one, other))
    return pairs


def title(entity: Entity) -> str:
    """The name without what only says what it is a picture of: a logo, a TV show."""
    return without_generic_ending(entity.name).replace("_", " ") or entity.title


class _NameIndex:
    """Entities by the words of their names, written with their capitals."""

    def __init__(self, entities: Iterable[Entity]) -> None:
        # All words of a name -> the entities called so, in several classes perhaps.
        self.entities: dict[tuple[str, ...], list[Entity]] = defaultdict(list)
        # By the first word of a name, how many words names that begin so have.
        self.sizes: dict[str, set[int]] = defaultdict(set)
        for entity in entities:
            parts = tuple(_WORD.findall(title(entity)))
            if parts:
                self.entities[parts].append(entity)
                self.sizes[parts[0]].add(len(parts))


def _others_named(fact: Fact, index: _NameIndex) -> list[Entity]:
    """Other entities whose names the answer holds with their capitals, and not as a part of a longer name."""
    matches = list(_WORD.finditer(fact.truth))
    text_words = tuple(match.group() for match in matches)
    own_words = set(words(title(fact.entity)))
    found: dict[Entity, None] = {}  # a set that keeps the order
    for start, word in enumerate(text_words):
        for size in index.sizes.get(word, ()):
            window = text_words[start : start + size]
            others = index.entities.get(window, ())
            # A part of the fact's own name is its own: "Lion" in an answer about The Lion King.
            if not others or {part.casefold() for part in window} <= own_words:
                continue
            # A single word may have its capital for another reason than being the name.
            if size == 1 and (
                _begins(fact.truth, matches[start]) or _within_name(fact.truth, matches, start)
            ):
                continue
            found.update(dict.fromkeys(others))
    return list(found)


def _begins(text: str, word: re.Match[str]) -> bool:
    """Whether the word has its capital from beginning a sentence or line."""
    # Six characters hold every ending of a sentence with its quotation marks and spaces.
    before = text[max(word.start() - 6, 0) : word.start()]
    return bool(_SENTENCE_START.search(before))


def _within_name(text: str, found: list[re.Match[str]], start: int) -> bool:
    """Whether the word `found[start]` is part of a longer name, as "Dog" in "The Power of the Dog"."""
    if start + 1 < len(found) and _joined(text, found[start], found[start + 1]):
        following = found[start + 1].group()
        if following[:1].isupper() and following not in _COMPANY:
            return True
    # Backwards over at most two small words to one with a capital.
    index = start
    while index and _joined(text, found[index - 1], found[index]):
        index -= 1
        word = found[index].group()
        if word[:1].isupper():
            return True
        if word not in _SMALL or start - index > 2:
            return False
    return False


def _joined(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Whether nothing but a space or a hyphen parts the two words."""
    return text[one.end() : other.start()] in (" ", "-")
