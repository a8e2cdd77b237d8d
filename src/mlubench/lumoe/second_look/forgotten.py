"""All that must not be told, of every request so far, and whether a draft of an answer tells any of it."""

import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.lumoe.gates.names import Names, known_aliases, names_of
from mlubench.lumoe.gates.saved import HINT
from mlubench.lumoe.second_look.fact_index import FactIndex
from mlubench.lumoe.second_look.hashed_names import Hash, HashedNames, letters_of
from mlubench.lumoe.second_look.keys import ForgottenFact, forgotten_facts, share_told, words_of
from mlubench.lumoe.second_look.saved import FILE, SavedFact, SavedForgotten
from mlubench.settings.gates import GateConfig
from mlubench.types import Task

# From this share of its key words on, a fact is told of an entity that the query is known or suspected to be about.
WITH_ENTITY = 0.5
_HASH_BYTES = 8
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Told:
    """What a draft tells."""

    tells: Literal["fact", "name"]
    # Keys of the entities, each once, in order.
    entities: tuple[str, ...]
    # What ties the draft to the entity, for a person.
    because: str


def _nobody(expert: str) -> bool:
    return False


class Forgotten:
    """The facts and names of what is to be forgotten.

    A fact counts with its entity alone: where the gate suspects it, or the conversation or the draft names it. Otherwise
    "1889" could be said of nothing any more. Only a fact whose words nobody says by chance stands alone.
    """

    def __init__(self, saved: SavedForgotten) -> None:
        self.saved = saved
        self.expert_of: Mapping[str, str] = saved.experts
        self._hash = _hash_with(bytes.fromhex(saved.salt)) if saved.salt else None
        self._facts: dict[str, list[Mapping[str, float]]] = defaultdict(list)
        self._alone = FactIndex()
        for fact in saved.facts:
            self._facts[fact.entity].append(fact.weights)
            if fact.stands_alone:
                self._alone.add(fact.entity, fact.weights)
        self._names: Names | HashedNames
        if self._hash is not None:
            self._names = HashedNames(saved.names, saved.most_words, self._hash)
        else:
            self._names = Names(saved.names)

    @classmethod
    def of(cls, tasks: Sequence[Task], config: GateConfig) -> "Forgotten":
        """What the tasks so far forget, under the settings of the gates."""
        aliases = known_aliases(config.aliases)
        experts: dict[str, str] = {}
        names: dict[str, list[str]] = {}
        for task in tasks:
            for entity in task.forget_entities:
                experts[entity.key] = task.name
                names[entity.key] = names_of(entity, aliases)
        facts = forgotten_facts(tasks)
        if config.second_look_hashed:
            return cls(_hashed(experts, facts, names))
        for entity in sorted({sample.entity for task in tasks for sample in task.retain}):
            # What is written like both goes to the better of the two, and does not name what is forgotten.
            names.setdefault(entity.key, names_of(entity, aliases))
        return cls(
            SavedForgotten(
                experts=experts,
                facts=[_saved_fact(fact) for fact in facts],
                names=names,
                similarity=config.similarity,
            )
        )

    @property
    def facts(self) -> int:
        """How many facts can be recognised."""
        return len(self.saved.facts)

    def told(
        self,
        draft: str,
        *,
        suspects: Set[str],
        conversation: Sequence[str] = (),
        answers: Callable[[str], bool] = _nobody,
        everywhere: bool = False,
    ) -> Told | None:
        """What the draft tells; None where it may leave.

        `suspects` are keys of entities that the gate holds possible, `conversation` what was said before the draft.
        `answers` says of an expert whether it gave the draft: then its entities are left to it. `everywhere` compares with
        the names of all requests, and with the facts of all that stand alone, not only with those of suspects and of
        entities named before.
        """
        suspected = self._guarded(suspects, answers)
        said_before = set(suspects)
        for text in conversation:
            said_before |= self._named_in(text)
        named_before = self._guarded(said_before, answers) - suspected
        near = suspected | named_before
        if not near and not everywhere:
            return None
        named = self._guarded(self._named_in(draft), answers)
        if not everywhere:
            named &= near
        if named:
            return Told("name", tuple(sorted(named)), "the draft names it")
        words = self._words_of(draft)
        told = {entity for entity in near if self._tells_fact_of(entity, words)}
        if told & suspected:
            return Told("fact", tuple(sorted(told)), "the gate suspects it")
        if told:
            return Told("fact", tuple(sorted(told)), "the conversation names it")
        if everywhere:
            alone = self._guarded(self._alone.told(words), answers)
            if alone:
                return Told("fact", tuple(sorted(alone)), "it stands for nothing else")
        return None

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, self.saved.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path) -> "Forgotten | None":
        """What `save` wrote; None in a folder that was written without a second look."""
        path = folder / FILE
        return cls(read_json(path, SavedForgotten, HINT)) if path.is_file() else None

    def _guarded(self, entities: Set[str], answers: Callable[[str], bool]) -> set[str]:
        """Those that are to be forgotten, and whose expert did not give the draft."""
        found = set()
        for key in entities:
            expert = self.expert_of.get(key)
            if expert is not None and not answers(expert):
                found.add(key)
        return found

    def _named_in(self, text: str) -> set[str]:
        if isinstance(self._names, HashedNames):
            return self._names.find(text)
        return {hit.entity for hit in self._names.find(text, threshold=self.saved.similarity)}

    def _words_of(self, draft: str) -> frozenset[str]:
        words = words_of(draft)
        return words if self._hash is None else frozenset(map(self._hash, words))

    def _tells_fact_of(self, entity: str, words: Set[str]) -> bool:
        return any(share_told(weights, words) >= WITH_ENTITY for weights in self._facts[entity])


def _saved_fact(fact: ForgottenFact) -> SavedFact:
    return SavedFact(entity=fact.entity, weights=dict(fact.weights), stands_alone=fact.stands_alone)


def _hashed(
    experts: dict[str, str], facts: Sequence[ForgottenFact], names: Mapping[str, Sequence[str]]
) -> SavedForgotten:
    """The same with every word and name as a hash, under a new salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    hash_of = _hash_with(salt)
    saved_facts = []
    for fact in facts:
        weights = {hash_of(word): weight for word, weight in fact.weights.items()}
        # In the order of the hashes, so that the words' own order tells nothing.
        in_order = dict(sorted(weights.items()))
        saved_facts.append(
            SavedFact(entity=fact.entity, weights=in_order, stands_alone=fact.stands_alone)
        )
    hashed_names = {}
    most_words = 0
    for key, of_entity in names.items():
        hashed_names[key] = sorted(hash_of(letters_of(name)) for name in of_entity)
        most_words = max(most_words, *(name.count(" ") + 1 for name in of_entity))
    return SavedForgotten(
        experts=experts,
        facts=saved_facts,
        names=hashed_names,
        salt=salt.hex(),
        most_words=most_words,
    )


def _hash_with(salt: bytes) -> Hash:
    # Drafts repeat their words.
    @lru_cache(maxsize=1 << 14)
    def hash_of(word: str) -> str:
        return blake2b(word.encode(), digest_size=_HASH_BYTES, key=salt).hexdigest()

    return hash_of
