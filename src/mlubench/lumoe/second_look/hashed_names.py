"""Names that are kept as hashes alone: a text is searched for them without a list of names that anybody could read."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from mlubench.lumoe.gates.spelling import spellings

Hash = Callable[[str], str]


class HashedNames:
    """Folded names by the hash of their letters. Misspelt names are not found: a hash tells nothing of what is alike."""

    def __init__(self, hash_of: Hash) -> None:
        # The hashes of each entity's names, and how many words the longest name has.
        self.hashes: dict[str, list[str]] = {}
        self.most_words = 0
        self._entities: dict[str, set[str]] = defaultdict(set)
        self._hash_of = hash_of

    def add(self, entity: str, names: Iterable[str]) -> None:
        """Adds folded names of the entity."""
        found = []
        for name in names:
            found.append(self._hash_of(name.replace(" ", "")))
            self.most_words = max(self.most_words, name.count(" ") + 1)
        # In the order of the hashes, so that the names' own order tells nothing.
        self.add_hashes(entity, sorted(found))

    def add_hashes(self, entity: str, hashes: Iterable[str]) -> None:
        """Adds names that are hashed already. `most_words` must be set for them."""
        self.hashes[entity] = list(hashes)
        for one in self.hashes[entity]:
            self._entities[one].add(entity)

    def find(self, text: str) -> set[str]:
        """Keys of the entities whose names the text holds."""
        found: set[str] = set()
        for spelling in spellings(text):
            words = spelling.split()
            for start in range(len(words)):
                # A name may be written in one word more than it has.
                for stop in range(start + 1, min(start + self.most_words + 1, len(words)) + 1):
                    letters = "".join(words[start:stop])
                    found |= self._entities.get(self._hash_of(letters), set())
        return found
