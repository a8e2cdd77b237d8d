"""Follows a chain of entries line by line and says what is wrong with it."""

from dataclasses import dataclass, field
from typing import Annotated, NotRequired

from pydantic import JsonValue, Strict
from typing_extensions import TypedDict

from mlubench.core.errors import MlubenchError
from mlubench.core.reading import as_it_stands, json_value
from mlubench.ledger.canonical import canonical_json
from mlubench.ledger.entries import entry_hash, genesis_hash
from mlubench.ledger.merkle import Hash, leaf_hash, tree_root

# One broken entry may break all that follow: a reader needs the first ones.
_MOST_PROBLEMS = 20


class Link(TypedDict):
    """What ties an entry to the one before it, whatever version wrote the rest."""

    index: Annotated[int, Strict()]
    previous: str
    hash: str
    event: JsonValue
    recorded: JsonValue
    subject: NotRequired[JsonValue]
    sealed: NotRequired[JsonValue]


@dataclass(slots=True)
class Chain:
    """The entries of one ledger, from the first one on."""

    ledger: str
    # The hash that the next entry must name.
    head: str = ""
    leaves: list[Hash] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # Beyond those that are listed.
    more_problems: int = 0

    def __post_init__(self) -> None:
        self.head = genesis_hash(self.ledger)

    @property
    def size(self) -> int:
        return len(self.leaves)

    def root(self, size: int | None = None) -> str:
        """The root of the tree over the first `size` entries; over all if not given."""
        return tree_root(self.leaves[:size]).hex()

    def blame(self, problem: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)
        else:
            self.more_problems += 1

    def follow(self, line: bytes) -> Link | None:
        """The next entry. None where it is none, which is a problem like any other that it has."""
        place = f"entry {self.size}"
        try:
            entry = read_link(line, place)
        except MlubenchError as error:
            self.blame(error.what)
            # A leaf all the same: the entries behind it keep their places.
            self.leaves.append(leaf_hash(line))
            return None
        found = recomputed_hash(entry)
        if found != entry["hash"]:
            self.blame(f"{place} was changed: its content does not have its hash")
        if entry["index"] != self.size:
            self.blame(f"{place} says that it is entry {entry['index']}")
        if entry["previous"] != self.head:
            self.blame(f"{place} does not follow on the entry before it")
        self.leaves.append(leaf_of(found))
        self.head = entry["hash"]
        return entry


def read_link(line: bytes, place: str) -> Link:
    """The entry of a line. Raises MlubenchError for one that is not spelled as every entry is, to the byte."""
    try:
        value = json_value(line)
        spelled = canonical_json(value)
    except (ValueError, MlubenchError) as error:
        raise MlubenchError(f"{place} is no entry: {error}") from None
    if spelled != line:
        raise MlubenchError(f"{place} was changed: it is not spelled as entries are")
    return as_it_stands(value, Link, place)


def recomputed_hash(entry: Link) -> str:
    """The hash that the entry's content has, whatever it says itself."""
    content = {key: value for key, value in entry.items() if key != "hash"}
    return entry_hash(content)


def leaf_of(entry_hash: str) -> Hash:
    """The leaf of an entry in the tree."""
    return leaf_hash(bytes.fromhex(entry_hash))
