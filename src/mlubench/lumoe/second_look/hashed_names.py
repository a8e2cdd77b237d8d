"""Names that are kept as hashes alone: a text is searched for them without a list of names that anybody could read."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from mlubench.lumoe.gates.spelling import spellings

Hash = Callable[[str], str]


class HashedNames:
    """Folded names by the hash of their letters. Misspelt names are not found: a hash tells nothing of what is alike."""

    def __init__(self, hashed: Mapping[str, Iterable[str]], most_words: int, hash_of: Hash) -> None:
        """`hashed` has the hashes of each entity's names, which are of `most_words` words at most."""
        self._entities: dict[str, set[str]] = defaultdict(set)
        self._most_words = most_words
        self._hash_of = hash_of
        for entity, hashes in hashed.items():
            for one in hashes:
                self._entities[one].add(entity)

    def find(self, text: str) -> set[str]:
        """Keys of the entities whose names the text holds."""
        found: set[str] = set()
        for spelling in spellings(text):
            words = spelling.split()
            for start in range(len(words)):
                # A name may be written in one word more than it has.
                for stop in range(start + 1, min(start + self._most_words + 1, len(words)) + 1):
                    letters = "".join(words[start:stop])
                    found |= self._entities.get(self._hash_of(letters), set())
        return found


def letters_of(name: str) -> str:
    """What is hashed of a folded name."""
    return name.replace(" ", "")
