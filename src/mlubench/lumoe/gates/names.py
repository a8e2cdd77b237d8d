"""Which known names does a text hold: exactly, under an alias, or misspelt; and which one does a short reply mean."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import yaml
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from mlubench.errors import unknown_name
from mlubench.lumoe.gates.folding import fold, spellings
from mlubench.types import Benchmark, Entity

WORD_RATIO = 78  # below it "Johnson" would be "Jackson"
SINGLE_LENGTH = 6  # a shorter name alone must be whole: one edit makes another common word of it
SINGLE_RATIO = 82
WORD_LENGTH = 4
SPLIT_RATIO, SPLIT_LENGTH = 90, 9  # of a name that is written in more or fewer words than it has
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
    found += [name.removeprefix("the ") for name in found if name.startswith("the ") and name.count(" ") > 1]
    return [name for name in dict.fromkeys(found) if name]


def known_aliases(added: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Our aliases of the official entities, and those that the settings add."""
    text = resources.files("mlubench.lumoe.gates").joinpath("aliases.yaml").read_text(encoding="utf-8")
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
    """Folded names and whose they are; a name may be of several entities."""

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        self.names = {entity: list(folded) for entity, folded in names.items()}
        self.owners: dict[str, list[str]] = {}
        self.by_letters: dict[str, list[str]] = {}  # names without their spaces
        for entity, folded in self.names.items():
            for name in folded:
                self.owners.setdefault(name, []).append(entity)
        for name in self.owners:
            self.by_letters.setdefault(name.replace(" ", ""), []).append(name)
        self.letters = list(self.by_letters)
        sizes = {len(name.split()) for name in self.owners}
        self.sizes = sorted({size + more for size in sizes for more in (-1, 0, 1)} - {0})

    def find(self, text: str, *, threshold: float) -> list[Hit]:
        """All names that the text holds, in its order. `threshold` (0 to 100) is for misspelt ones.

        Where names overlap the better counts, then the longer: "Star Wars" is no "Star".
        """
        found = [hit for version in spellings(text) for hit in self._find(version.split(), threshold)]
        kept: list[Hit] = []
        for hit in sorted(found, key=lambda h: (h.start - h.stop, -h.score, h.start, h.entity)):
            clash = [k for k in kept if hit.start < k.stop and k.start < hit.stop]
            same = all((k.start, k.stop, k.score) == (hit.start, hit.stop, hit.score) for k in clash)
            if same and all(k.entity != hit.entity for k in clash):
                kept.append(hit)
        return sorted(kept, key=lambda h: (h.start, h.entity))

    def _find(self, words: Sequence[str], threshold: float) -> list[Hit]:
        return [
            Hit(owner, " ".join(words[start : start + size]), start, start + size, score / 100)
            for size in self.sizes
            for start in range(len(words) - size + 1)
            for name, score in self._like(words[start : start + size], threshold)
            for owner in self.owners[name]
        ]

    def _like(self, window: Sequence[str], threshold: float) -> list[tuple[str, float]]:
        """Names that the words of the window are, with their ratio (0 to 100)."""
        letters = "".join(window)
        plain = letters.removesuffix("s")
        exact = [n for key in dict.fromkeys((letters, plain)) for n in self.by_letters.get(key, ())]
        if exact:
            return [(name, 100.0) for name in exact]
        floor = min(threshold, WORD_RATIO)
        near = process.extract(letters, self.letters, scorer=fuzz.ratio, score_cutoff=floor, limit=None)
        return [
            (name, ratio)
            for key, ratio, _ in near
            for name in self.by_letters[key]
            if _misspelt(window, name.split(), ratio, threshold)
        ]

    def meant(self, reply: str, *, threshold: float) -> Hit | None:
        """The name that a short reply means as a whole, or None. `threshold` is a ratio of 0 to 100 after folding.

        A reply whose letters are a listed name is that name; else its words must be the name's, save for misspelling,
        since two names may be much alike and mean two people. "None" and names of nobody mean nothing.
        """
        best: Hit | None = None
        for version in spellings(reply):
            words = version.split()
            for name, score in self._like(words, threshold) if words and version != "none" else ():
                if score >= threshold and (best is None or score / 100 > best.score):
                    best = Hit(self.owners[name][0], version, 0, len(words), score / 100)
        return best


def _misspelt(window: Sequence[str], name: Sequence[str], ratio: float, threshold: float) -> bool:
    """Whether these words are the name, misspelt. The first letter must be right: "Bates" is no "Gates"."""
    if len(window) != len(name):
        letters = min(len("".join(window)), len("".join(name)))
        return window[0][0] == name[0][0] and letters >= SPLIT_LENGTH and ratio >= max(SPLIT_RATIO, threshold)
    if len(name) == 1:
        long = min(len(window[0]), len(name[0])) >= SINGLE_LENGTH
        return (
            long
            and window[0][0] == name[0][0]
            and (ratio >= max(threshold, SINGLE_RATIO) or _swapped(window[0], name[0]))
        )
    return ratio >= threshold and all(_same_word(a, b) for a, b in zip(window, name, strict=True))


def _same_word(got: str, name: str) -> bool:
    if got == name:
        return True
    if got[0] != name[0] or len(name) < WORD_LENGTH:
        return False
    return _swapped(got, name) or (min(len(got), len(name)) >= WORD_LENGTH and fuzz.ratio(got, name) >= WORD_RATIO)


def _swapped(got: str, name: str) -> bool:
    """Whether two neighbouring letters changed places."""
    return len(got) == len(name) and sorted(got) == sorted(name) and OSA.distance(got, name) == 1
