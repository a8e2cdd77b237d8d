"""Which known names does a text hold: exactly, under an alias, or misspelt; and which one does a short reply mean."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import accumulate

import yaml
from rapidfuzz import fuzz

from mlubench.core.errors import unknown_name
from mlubench.lumoe.gates.misspelling import (
    SINGLE_RATIO,
    SPLIT_LENGTH,
    SPLIT_RATIO,
    WORD_LENGTH,
    WORD_RATIO,
    is_misspelt,
    same_words,
)
from mlubench.lumoe.gates.spelling import fold, spellings
from mlubench.lumoe.gates.string_index import File, Filed, bag_of
from mlubench.types import Benchmark, Entity

KEPT = 1 << 14  # words, and runs of words, of which what was found is kept
_NONE: Mapping[int, File] = {}
_Run = tuple[
    Sequence[int], Sequence[int]
]  # nodes spelt with just these letters, and else those filed near them
_GENERIC = re.compile(r"(?: corporation)?(?: logo| tv show| tv series)$| corporation$")


@dataclass(frozen=True, slots=True)
class Hit:
    """A name found in a text: whose, as what word of the question, words `start` to `stop`, and how like (0 to 1)."""

    entity: str
    text: str
    start: int
    stop: int
    score: float


def names_of(entity: Entity, aliases: Mapping[str, Sequence[str]]) -> list[str]:
    """The entity's folded names: its own, that without a generic ending or an article, and its aliases."""
    own = fold(entity.name)
    found = [own, _GENERIC.sub("", own), *(fold(a) for a in aliases.get(entity.key, ()))]
    # "The Strain" without its article would be any strain.
    found += [
        name.removeprefix("the ")
        for name in found
        if name.startswith("the ") and name.count(" ") > 1
    ]
    return [name for name in dict.fromkeys(found) if name]


def known_aliases(added: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Our aliases of the official entities, and those that the settings add."""
    text = (
        resources.files("mlubench.lumoe.gates").joinpath("aliases.yaml").read_text(encoding="utf-8")
    )
    known: dict[str, list[str]] = yaml.safe_load(text)
    for key, names in added.items():
        known[key] = [*known.get(key, []), *names]
    return known


def check_aliases(added: Mapping[str, Sequence[str]], benchmark: Benchmark) -> None:
    """Raises UsageError for aliases of what the benchmark does not hold, which would never count."""
    known = {s.entity.key for s in benchmark.samples}
    for key in added:
        if key not in known:
            raise unknown_name("entity in gates.aliases", key, known)


class Names:
    """Folded names and whose they are; a name may be of several entities. Takes more names, and gives some up, as it is.

    Exact spellings are looked up by their letters. A misspelt name has each of its words alike, so each word of a text is
    compared with the words that names are made of, and a tree of words says which names these make; names written in more
    or fewer words are filed by their letters. Both leave out nothing that the rules of `is_misspelt` would take.
    """

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        self._texts = [""]  # by node of the tree of words, the root first; empty where no name ends
        self._owners: list[tuple[str, ...]] = [()]
        self._next: dict[int, dict[int, int]] = {}  # node -> word -> node
        self._words: dict[str, int] = {}
        self._spoken: list[str] = []  # the words by number
        self._seen: dict[str, tuple[int, set[int]]] = {}
        self._runs: dict[str, _Run] = {}
        # By what a text begins with, two letters or one: how many it may have if it is a name, or one and an s; or, by the
        # first letter, one in more or fewer words.
        self._heads: dict[str, int] = {}
        self._alike = Filed(WORD_RATIO, WORD_LENGTH)
        self._split = Filed(SPLIT_RATIO, SPLIT_LENGTH)
        self._by_letters: dict[str, tuple[int, ...]] = {}  # nodes, by names without their spaces
        self._lengths: Counter[int] = Counter()  # names of so many words
        self._sizes: frozenset[int] = frozenset()
        for entity, folded in names.items():
            self.add(entity, folded)

    def add(self, entity: str, names: Iterable[str]) -> None:
        """Names of the entity more; what is known already stays as it is."""
        for name in filter(None, names):
            words = name.split()
            node = self._node(words)
            self._runs.clear()
            if not self._texts[node]:
                self._texts[node], letters = name, name.replace(" ", "")
                self._by_letters[letters] = (*self._by_letters.get(letters, ()), node)
                self._split.add(letters, node)
                self._heads[letters[:2]] = max(self._heads.get(letters[:2], 0), len(letters) + 1)
                self._heads[letters[0]] = max(
                    self._heads.get(letters[0], 0), self._split.reach.get(letters[0], 0)
                )
            if entity not in self._owners[node]:
                self._owners[node] = (*self._owners[node], entity)
                self._count(len(words), 1)

    def remove(self, entity: str) -> None:
        """The entity's names are its own no longer. Looks through all names; the room they took is not given back."""
        self._runs.clear()
        for node, owners in enumerate(self._owners):
            if entity in owners:
                self._owners[node] = tuple(o for o in owners if o != entity)
                self._count(self._texts[node].count(" ") + 1, -1)

    def forget(self) -> None:
        """Drops what was kept of earlier texts, which only makes the next slower."""
        self._runs.clear()
        self._seen.clear()

    @property
    def names(self) -> dict[str, list[str]]:
        """All names by entity, as the constructor takes them."""
        found: dict[str, list[str]] = {}
        for text, owners in zip(self._texts, self._owners, strict=True):
            for owner in owners:
                found.setdefault(owner, []).append(text)
        return found

    def _count(self, length: int, more: int) -> None:
        known = self._lengths[length] > 0
        self._lengths[length] += more
        if known != (self._lengths[length] > 0):
            lengths = [n for n, names in self._lengths.items() if names > 0]
            self._sizes = frozenset(n + d for n in lengths for d in (-1, 0, 1)) - {0}

    def _node(self, words: Sequence[str]) -> int:
        """Where the tree has these words, made if it is not there."""
        node = 0
        for word in words:
            number = self._words.get(word)
            if number is None:
                number = self._words[word] = len(self._words)
                self._spoken.append(word)
                self._alike.add(word, number)
                self._seen.clear()
            after = self._next.setdefault(node, {})
            if number not in after:
                after[number] = len(self._texts)
                self._texts.append("")
                self._owners.append(())
            node = after[number]
        return node

    def find(self, text: str, *, threshold: float) -> list[Hit]:
        """All names that the text holds, in its order. `threshold` (0 to 100) is for misspelt ones.

        Where names overlap the better counts, then the longer: "Star Wars" is no "Star".
        """
        found = [
            hit
            for version in spellings(text)
            for hit in self._find(version.split(), self._sizes, threshold)
        ]
        kept: list[Hit] = []
        for hit in sorted(found, key=lambda h: (h.start - h.stop, -h.score, h.start, h.entity)):
            clash = [k for k in kept if hit.start < k.stop and k.start < hit.stop]
            same = all(
                (k.start, k.stop, k.score) == (hit.start, hit.stop, hit.score) for k in clash
            )
            if same and all(k.entity != hit.entity for k in clash):
                kept.append(hit)
        return sorted(kept, key=lambda h: (h.start, h.entity))

    def meant(self, reply: str, *, threshold: float) -> Hit | None:
        """The name that a short reply means as a whole, or None. `threshold` is a ratio of 0 to 100 after folding.

        A reply whose letters are a listed name is that name; else its words must be the name's, save for misspelling,
        since two names may be much alike and mean two people. "None" and names of nobody mean nothing.
        """
        found = [
            hit
            for version in spellings(reply)
            if version != "none"
            for hit in self._find(version.split(), {version.count(" ") + 1}, threshold)
            if hit.score >= threshold / 100
        ]
        return min(found, key=lambda h: (-h.score, h.entity), default=None)

    def _find(self, words: Sequence[str], sizes: Collection[int], threshold: float) -> list[Hit]:
        """Every name that some neighbouring words are, if their number is one of the sizes."""
        spots, letters = [0, *accumulate(map(len, words))], "".join(words)
        known, top, hits = [self._like(word) for word in words], max(sizes, default=0), []
        heads, runs = self._heads, self._runs
        for start, spot in enumerate(spots[:-1]):
            end = min(start + top, len(words))
            near = self._named(known, start, end) if known[start][1] else {}
            exact: dict[int, Sequence[int]] = {}
            reach = max(heads.get(letters[spot : spot + 2], 0), heads.get(letters[spot], 0))
            for stop in range(start + 1, end + 1):
                if spots[stop] - spot > reach:
                    break
                if stop - start not in sizes:
                    continue
                key = letters[spot : spots[stop]]
                spelt, filed = runs.get(key) or self._run(key, known[start:stop])
                if spelt:
                    exact[stop] = spelt
                elif filed:
                    near[stop] = [*near.get(stop, ()), *filed]
            for stop in {**near, **exact} if near or exact else ():
                if stop - start in sizes:
                    window, key = words[start:stop], letters[spot : spots[stop]]
                    found = [(n, 100.0) for n in exact.get(stop, ())] or self._misspelt(
                        window, key, near[stop], threshold
                    )
                    text = " ".join(window)
                    hits += [
                        Hit(owner, text, start, stop, r / 100)
                        for n, r in found
                        for owner in self._owners[n]
                    ]
        return hits

    def _run(self, letters: str, known: Sequence[tuple[int, set[int]]]) -> "_Run":
        """What neighbouring words of these letters may be as a whole. Kept, as questions repeat runs of words."""
        run: _Run = self._spelt(letters), ()
        file = self._split.files.get(letters[0], _NONE).get(len(letters))
        if file is not None and not run[0]:
            bag = 0
            for more, _ in known:
                bag = bag | more | (bag & more) >> 32
            run = (), file.near(bag)
        if len(self._runs) >= KEPT:
            self._runs.clear()
        self._runs[letters] = run
        return run

    def _spelt(self, letters: str) -> Sequence[int]:
        """Names of just these letters, or of these but for a last s."""
        found = self._by_letters.get(letters, ())
        if letters[-1] == "s":
            found += self._by_letters.get(letters[:-1], ())
        return [node for node in found if self._owners[node]] if found else found

    def _like(self, word: str) -> tuple[int, set[int]]:
        """The word's bag of letters, and the words of names that it is, maybe misspelt. Kept, as questions repeat words."""
        kept = self._seen.get(word)
        if kept is not None:
            return kept
        bag = bag_of(word)
        file = self._alike.files.get(word[0], _NONE).get(len(word))
        found = (
            same_words(word, {n: self._spoken[n] for n in file.near(bag)})
            if file is not None
            else set()
        )
        if word in self._words:
            found.add(self._words[word])
        if len(self._seen) >= KEPT:
            self._seen.clear()
        self._seen[word] = bag, found
        return bag, found

    def _named(
        self, known: Sequence[tuple[int, set[int]]], start: int, end: int
    ) -> dict[int, list[int]]:
        """Names whose words are all like those from `start` on, by where they stop."""
        nodes, found = [0], {}
        for stop in range(start + 1, end + 1):
            here = known[stop - 1][1]
            if not here:
                break
            nodes = [
                after[n]
                for node in nodes
                if (after := self._next.get(node))
                for n in after.keys() & here
            ]
            if not nodes:
                break
            found[stop] = [node for node in nodes if self._owners[node]]
        return found

    def _misspelt(
        self, window: Sequence[str], key: str, nodes: Sequence[int], threshold: float
    ) -> list[tuple[int, float]]:
        """Those of the names that the words of the window are by the rules, with their ratio (0 to 100)."""
        found, floor = [], min(threshold, SINGLE_RATIO)
        for node in dict.fromkeys(nodes):
            ratio = fuzz.ratio(key, self._texts[node].replace(" ", ""), score_cutoff=floor)
            if ratio and is_misspelt(window, self._texts[node].split(), ratio, threshold):
                found.append((node, ratio))
        return found
