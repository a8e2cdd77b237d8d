"""Which known names does a text hold: exactly, under an alias, or misspelt; and which one does a short reply mean."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from rapidfuzz import fuzz

from mlubench.lumoe.gates.misspelling import (
    SINGLE_RATIO,
    SPLIT_LENGTH,
    SPLIT_RATIO,
    WORD_LENGTH,
    WORD_RATIO,
    is_misspelt,
    same_words,
)
from mlubench.lumoe.gates.spelling import spellings
from mlubench.lumoe.gates.string_index import StringIndex, bag_of, joined_bags

CACHED = 1 << 14  # words, and runs of words, whose readings are kept


@dataclass(frozen=True, slots=True)
class Hit:
    """A name found in a text."""

    # Whose name it is: an entity's key.
    entity: str
    # The words of the text that are the name, and where they stand among its words.
    text: str
    start: int
    stop: int
    # How like the name they are, 0 to 1.
    score: float


class _WordReading(NamedTuple):
    """What one word of a text may be."""

    # Its letters, see `bag_of`.
    bag: int
    # Numbers of the words of names that it is, maybe misspelt.
    words: set[int]


class _RunReading(NamedTuple):
    """What neighbouring words of a text may be as a whole, by their letters without spaces."""

    # Nodes of the names that have just these letters.
    spelt: Sequence[int]
    # Where there are none: nodes of the names whose letters are nearly these.
    near: Sequence[int]


class _Text(NamedTuple):
    """A text as it is searched."""

    words: Sequence[str]
    letters: str  # all words without a space
    offsets: Sequence[int]  # where each word begins in `letters`, and last where they end
    readings: Sequence[_WordReading]  # by word

    def run(self, start: int, stop: int) -> str:
        """The letters of the words from `start` to before `stop`."""
        return self.letters[self.offsets[start] : self.offsets[stop]]


class Names:
    """Folded names and whose they are; a name may be of several entities. Names can be added and removed at any time.

    Exact spellings are looked up by their letters. A misspelt name has each of its words alike, so each word of a text is
    compared with the words that names are made of, and a tree of words says which names these make. Names written in more
    or fewer words are in an index by their letters. Both leave out nothing that the rules of `is_misspelt` would take.
    """

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        # The tree of words. Node 0 is its root; a node's text is empty where no name ends.
        self._texts = [""]
        self._owners: list[tuple[str, ...]] = [()]
        self._next: dict[int, dict[int, int]] = {}  # node -> number of a word -> node
        # The words of the tree: their numbers, and by number.
        self._words: dict[str, int] = {}
        self._word_list: list[str] = []
        self._similar_words = StringIndex(WORD_RATIO, WORD_LENGTH)
        # Names without their spaces.
        self._by_letters: dict[str, tuple[int, ...]] = {}
        self._similar_letters = StringIndex(SPLIT_RATIO, SPLIT_LENGTH)
        # How many letters a run of words may have at most, by how it begins, so that most runs are not looked up at all:
        # by its first two letters (or the one that a name has) if it is a name or a name and an s,
        self._longest_exact: dict[str, int] = {}
        # by its first letter if it is a name written in more or fewer words.
        self._longest_similar: dict[str, int] = {}
        # How many names have so many words, and how many words a run may have to be one of them.
        self._lengths: Counter[int] = Counter()
        self._sizes: frozenset[int] = frozenset()
        # Readings kept, since questions repeat words and runs of words.
        self._word_readings: dict[str, _WordReading] = {}
        self._run_readings: dict[str, _RunReading] = {}
        for entity, folded in names.items():
            self.add(entity, folded)

    def add(self, entity: str, names: Iterable[str]) -> None:
        """Adds names of the entity; those that it has stay as they are."""
        for name in names:
            if not name:
                continue
            words = name.split()
            node = self._node(words)
            self._run_readings.clear()
            if not self._texts[node]:
                self._texts[node] = name
                self._index_letters(name.replace(" ", ""), node)
            if entity not in self._owners[node]:
                self._owners[node] = (*self._owners[node], entity)
                self._count(len(words), 1)

    def remove(self, entity: str) -> None:
        """Removes all names of the entity. Looks through all names; the memory that they took is not given back."""
        self._run_readings.clear()
        for node, owners in enumerate(self._owners):
            if entity in owners:
                self._owners[node] = tuple(owner for owner in owners if owner != entity)
                self._count(self._texts[node].count(" ") + 1, -1)

    def forget(self) -> None:
        """Drops what was kept of earlier texts, which only makes the next slower."""
        self._run_readings.clear()
        self._word_readings.clear()

    @property
    def names(self) -> dict[str, list[str]]:
        """All names by entity, as the constructor takes them."""
        found: dict[str, list[str]] = {}
        for text, owners in zip(self._texts, self._owners, strict=True):
            for owner in owners:
                found.setdefault(owner, []).append(text)
        return found

    def find(self, text: str, *, threshold: float) -> list[Hit]:
        """All names that the text holds, in its order. `threshold` (0 to 100) is for misspelt ones.

        Where names overlap the better counts, then the longer: "Star Wars" is no "Star".
        """
        found: list[Hit] = []
        for spelling in spellings(text):
            found += self._find(spelling.split(), self._sizes, threshold)
        # The most words first, then the best.
        found.sort(key=lambda hit: (hit.start - hit.stop, -hit.score, hit.start, hit.entity))
        kept: list[Hit] = []
        for hit in found:
            overlapping = [k for k in kept if hit.start < k.stop and k.start < hit.stop]
            if all(_as_good(hit, other) for other in overlapping):
                kept.append(hit)
        return sorted(kept, key=lambda hit: (hit.start, hit.entity))

    def meant(self, reply: str, *, threshold: float) -> Hit | None:
        """The name that a short reply means as a whole, or None. `threshold` is a ratio of 0 to 100 after folding.

        A reply whose letters are a listed name is that name; else its words must be the name's, save for misspelling,
        since two names may be much alike and mean two people. "None" and names of nobody mean nothing.
        """
        found: list[Hit] = []
        for spelling in spellings(reply):
            if spelling == "none":
                continue
            size = spelling.count(" ") + 1
            hits = self._find(spelling.split(), {size}, threshold)
            found += [hit for hit in hits if hit.score >= threshold / 100]
        return min(found, key=lambda hit: (-hit.score, hit.entity), default=None)

    def _node(self, words: Sequence[str]) -> int:
        """Where the tree has these words, made if it is not there."""
        node = 0
        for word in words:
            number = self._words.get(word)
            if number is None:
                number = len(self._words)
                self._words[word] = number
                self._word_list.append(word)
                self._similar_words.add(word, number)
                self._word_readings.clear()
            children = self._next.setdefault(node, {})
            if number not in children:
                children[number] = len(self._texts)
                self._texts.append("")
                self._owners.append(())
            node = children[number]
        return node

    def _index_letters(self, letters: str, node: int) -> None:
        self._by_letters[letters] = (*self._by_letters.get(letters, ()), node)
        self._similar_letters.add(letters, node)
        first_two = letters[:2]
        self._longest_exact[first_two] = max(
            self._longest_exact.get(first_two, 0), len(letters) + 1
        )
        first = letters[0]
        self._longest_similar[first] = self._similar_letters.longest.get(first, 0)

    def _count(self, length: int, change: int) -> None:
        """Notes that there are `change` names more of `length` words."""
        known = self._lengths[length] > 0
        self._lengths[length] += change
        if known == (self._lengths[length] > 0):
            return
        sizes: set[int] = set()
        for size, names in self._lengths.items():
            if names > 0:
                # A name may be written in one word less or more than it has.
                sizes |= {size - 1, size, size + 1}
        self._sizes = frozenset(sizes - {0})

    def _find(self, words: Sequence[str], sizes: Collection[int], threshold: float) -> list[Hit]:
        """Every name that some neighbouring words are, if their number is one of the sizes."""
        text = _Text(
            words,
            letters="".join(words),
            offsets=[0, *accumulate(map(len, words))],
            readings=[self._read_word(word) for word in words],
        )
        largest = max(sizes, default=0)
        hits: list[Hit] = []
        for start in range(len(words)):
            end = min(start + largest, len(words))
            near = self._names_of_similar_words(text.readings, start, end)
            exact, similar = self._names_by_letters(text, start, end, sizes)
            for stop, nodes in similar.items():
                near[stop] = [*near.get(stop, ()), *nodes]
            for stop in near.keys() | exact.keys():
                if stop - start not in sizes:
                    continue
                window = words[start:stop]
                if stop in exact:
                    found = [(node, 100.0) for node in exact[stop]]
                else:
                    found = self._misspelt(window, text.run(start, stop), near[stop], threshold)
                for node, ratio in found:
                    for owner in self._owners[node]:
                        hits.append(Hit(owner, " ".join(window), start, stop, ratio / 100))
        return hits

    def _names_of_similar_words(
        self, readings: Sequence[_WordReading], start: int, end: int
    ) -> dict[int, list[int]]:
        """Nodes of the names whose words are all like those from `start` on, by where they stop."""
        found: dict[int, list[int]] = {}
        nodes = [0]
        for stop in range(start + 1, end + 1):
            words = readings[stop - 1].words
            if not words:
                break
            reached = []
            for node in nodes:
                children = self._next.get(node)
                if children:
                    reached += [children[number] for number in children.keys() & words]
            if not reached:
                break
            nodes = reached
            found[stop] = [node for node in nodes if self._owners[node]]
        return found

    def _names_by_letters(
        self,
        text: _Text,
        start: int,
        end: int,
        sizes: Collection[int],
    ) -> tuple[dict[int, Sequence[int]], dict[int, Sequence[int]]]:
        """Nodes of the names spelt with just the letters from `start` on, by where they stop.

        The second are those with nearly these letters, where there are none with just them.
        """
        exact: dict[int, Sequence[int]] = {}
        similar: dict[int, Sequence[int]] = {}
        offset = text.offsets[start]
        longest = max(
            self._longest_exact.get(text.letters[offset : offset + 2], 0),
            self._longest_exact.get(text.letters[offset], 0),
            self._longest_similar.get(text.letters[offset], 0),
        )
        for stop in range(start + 1, end + 1):
            if text.offsets[stop] - offset > longest:
                break
            if stop - start not in sizes:
                continue
            letters = text.run(start, stop)
            run = self._run_readings.get(letters)
            if run is None:
                run = self._read_run(letters, text.readings[start:stop])
            if run.spelt:
                exact[stop] = run.spelt
            elif run.near:
                similar[stop] = run.near
        return exact, similar

    def _read_word(self, word: str) -> _WordReading:
        kept = self._word_readings.get(word)
        if kept is not None:
            return kept
        bag = bag_of(word)
        numbers = self._similar_words.near(word[0], len(word), bag)
        words = same_words(word, {number: self._word_list[number] for number in numbers})
        if word in self._words:
            words.add(self._words[word])
        if len(self._word_readings) >= CACHED:
            self._word_readings.clear()
        reading = _WordReading(bag, words)
        self._word_readings[word] = reading
        return reading

    def _read_run(self, letters: str, readings: Sequence[_WordReading]) -> _RunReading:
        """`readings` are those of its words."""
        spelt = self._spelt(letters)
        near: Sequence[int] = ()
        if not spelt:
            bag = 0
            for reading in readings:
                bag = joined_bags(bag, reading.bag)
            near = self._similar_letters.near(letters[0], len(letters), bag)
        if len(self._run_readings) >= CACHED:
            self._run_readings.clear()
        run = _RunReading(spelt, near)
        self._run_readings[letters] = run
        return run

    def _spelt(self, letters: str) -> Sequence[int]:
        """Nodes of the names of just these letters, or of these but for a last s."""
        found = self._by_letters.get(letters, ())
        if letters[-1] == "s":
            found += self._by_letters.get(letters[:-1], ())
        return [node for node in found if self._owners[node]]

    def _misspelt(
        self, window: Sequence[str], letters: str, nodes: Sequence[int], threshold: float
    ) -> list[tuple[int, float]]:
        """Those of the names that the words of the window are by the rules, with their ratio (0 to 100)."""
        found = []
        # A single word counts from SINGLE_RATIO on, so no ratio below both can count.
        lowest = min(threshold, SINGLE_RATIO)
        for node in dict.fromkeys(nodes):
            name = self._texts[node]
            ratio = fuzz.ratio(letters, name.replace(" ", ""), score_cutoff=lowest)
            if ratio and is_misspelt(window, name.split(), ratio, threshold):
                found.append((node, ratio))
        return found


def _as_good(hit: Hit, other: Hit) -> bool:
    """Whether two entities share a name, so that both count."""
    same_place = (hit.start, hit.stop, hit.score) == (other.start, other.stop, other.score)
    return same_place and hit.entity != other.entity
