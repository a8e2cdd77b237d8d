"""Which of very many facts a text tells in full, by few look-ups: facts may be added and removed at any time."""

from collections import defaultdict
from collections.abc import Set

from mlubench.lumoe.second_look.keys import IN_FULL, Weights, share_told

# A little less than what must be missed, so that rounding never leaves a fact out.
_ROUNDING = 1e-9


class FactIndex:
    """Facts by their key words, each with the entities of which it is told.

    A text tells a fact in full only if it misses no more than `1 - IN_FULL` of it. So of any words of the fact that weigh
    more than that together it says at least one. The fact is entered under such words alone, the rarest that it has, and
    common words gather few facts, however many there are: the prefix filter of set joins (Chaudhuri and others 2006).
    """

    def __init__(self) -> None:
        # Facts of the same words are one pattern, by number.
        self._weights: list[Weights] = []
        self._owners: list[set[str]] = []
        self._numbers: dict[frozenset[tuple[str, float]], int] = {}
        # Word -> the patterns that are entered under it.
        self._entered: dict[str, list[int]] = defaultdict(list)
        self._by_entity: dict[str, list[int]] = defaultdict(list)

    def add(self, entity: str, weights: Weights) -> None:
        key = frozenset(weights.items())
        number = self._numbers.get(key)
        if number is None:
            number = len(self._weights)
            self._numbers[key] = number
            self._weights.append(weights)
            self._owners.append(set())
            self._enter(number)
        if entity not in self._owners[number]:
            self._owners[number].add(entity)
            self._by_entity[entity].append(number)

    def remove(self, entity: str) -> None:
        """Removes all facts of the entity. The memory that their words took is not given back."""
        for number in self._by_entity.pop(entity, ()):
            self._owners[number].discard(entity)

    def told(self, words: Set[str]) -> set[str]:
        """Keys of the entities of which the words tell a fact in full."""
        candidates: set[int] = set()
        for word in words:
            candidates.update(self._entered.get(word, ()))
        found: set[str] = set()
        for number in candidates:
            if share_told(self._weights[number], words) >= IN_FULL - _ROUNDING:
                found |= self._owners[number]
        return found

    def _enter(self, number: int) -> None:
        """Enters a pattern under as few of its words as no text that tells it can miss altogether, the rarest first."""
        weights = self._weights[number]
        rarest_first = sorted(weights, key=lambda word: (len(self._entered.get(word, ())), word))
        covered = 0.0
        for word in rarest_first:
            self._entered[word].append(number)
            covered += weights[word]
            if covered > 1 - IN_FULL + _ROUNDING:
                break
