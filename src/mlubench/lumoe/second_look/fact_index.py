"""Which of very many facts a text tells in full, by few look-ups: facts may be added and removed at any time."""

from collections import defaultdict
from collections.abc import Set

from mlubench.lumoe.second_look.keys import Weights, needed_words, tells_in_full

# Facts of the same words are one pattern.
_Pattern = frozenset[tuple[str, float]]


class FactIndex:
    """Facts by their key words, each with the entities of which it is told.

    A text that tells a fact in full says at least one of any words that it cannot miss altogether (`needed_words`). The
    fact is entered under such words alone, the rarest that it has, and common words gather few facts, however many there
    are: the prefix filter of set joins (Chaudhuri and others 2006).
    """

    def __init__(self) -> None:
        self._owners: dict[_Pattern, set[str]] = {}
        self._weights: dict[_Pattern, Weights] = {}
        # The words that a pattern is entered under, and the patterns that are entered under a word.
        self._words: dict[_Pattern, list[str]] = {}
        self._entered: dict[str, set[_Pattern]] = defaultdict(set)
        self._by_entity: dict[str, list[_Pattern]] = defaultdict(list)

    def add(self, entity: str, weights: Weights) -> None:
        pattern = frozenset(weights.items())
        if pattern not in self._owners:
            self._owners[pattern] = set()
            self._weights[pattern] = weights
            self._enter(pattern)
        if entity not in self._owners[pattern]:
            self._owners[pattern].add(entity)
            self._by_entity[entity].append(pattern)

    def remove(self, entity: str) -> None:
        """Removes all facts of the entity."""
        for pattern in self._by_entity.pop(entity, ()):
            self._owners[pattern].discard(entity)
            if not self._owners[pattern]:
                self._leave(pattern)

    def told(self, words: Set[str]) -> set[str]:
        """Keys of the entities of which the words tell a fact in full."""
        candidates: set[_Pattern] = set()
        for word in words:
            candidates |= self._entered.get(word, set())
        found: set[str] = set()
        for pattern in candidates:
            if tells_in_full(words, self._weights[pattern]):
                found |= self._owners[pattern]
        return found

    def _enter(self, pattern: _Pattern) -> None:
        weights = self._weights[pattern]
        words = needed_words(weights, lambda word: len(self._entered.get(word, ())))
        self._words[pattern] = words
        for word in words:
            self._entered[word].add(pattern)

    def _leave(self, pattern: _Pattern) -> None:
        for word in self._words.pop(pattern):
            self._entered[word].discard(pattern)
            if not self._entered[word]:
                del self._entered[word]
        del self._owners[pattern]
        del self._weights[pattern]
