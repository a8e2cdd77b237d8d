"""All that must not be told, of every request so far, and whether a draft of an answer tells any of it."""

import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.lumoe.gates.aliases import known_aliases, names_of
from mlubench.lumoe.gates.names import Names
from mlubench.lumoe.gates.saved import HINT
from mlubench.lumoe.second_look.fact_index import FactIndex
from mlubench.lumoe.second_look.facts import ForgottenFacts
from mlubench.lumoe.second_look.hashed_names import Hash, HashedNames
from mlubench.lumoe.second_look.keys import ForgottenFact, share_told, words_of
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
    "1889" could be said of nothing any more. Only a fact whose words nobody says by chance stands alone. A name may be said
    where other facts of the entity must stay.
    """

    def __init__(self, *, similarity: float, salt: str = "") -> None:
        """Nothing yet. `similarity` (0 to 100) is how like a name a misspelt one must be; with a salt, all is hashed."""
        self.expert_of: dict[str, str] = {}
        self._similarity = similarity
        self._salt = salt
        self._hash = _hash_with(bytes.fromhex(salt)) if salt else None
        # By entity. Their words are hashed where all is.
        self._facts: dict[str, list[ForgottenFact]] = {}
        # Entities of which a task forgets some facts and keeps others, if the name is none of the forgotten ones.
        self._may_be_named: set[str] = set()
        self._alone = FactIndex()
        # What is kept is named too: what is written like both goes to the better of the two.
        self._names = Names({})
        # In its place where all is hashed. Hashes are like nothing else, so that of what is kept none is needed.
        self._hashed_names = None if self._hash is None else HashedNames(self._hash)
        # The tasks, and what their facts were made of. None in what was loaded, as no text is kept.
        self._tasks: list[str] = []
        self._source: ForgottenFacts | None = None

    @classmethod
    def of(cls, tasks: Sequence[Task], config: GateConfig) -> "Forgotten":
        """What the tasks so far forget, under the settings of the gates."""
        salt = secrets.token_bytes(_SALT_BYTES).hex() if config.second_look_hashed else ""
        made = cls(similarity=config.similarity, salt=salt)
        made._source = ForgottenFacts()
        made._take(tasks, made._source, config)
        return made

    def with_next(self, tasks: Sequence[Task], config: GateConfig) -> "Forgotten":
        """What `of` makes of these tasks, by one that knows all but the last of them: it costs what the last one brings.

        It changes this object and returns it; or a new one, where it knows other tasks, or some entity of the last one, or
        was loaded and knows no text.
        """
        earlier = [task.name for task in tasks[:-1]]
        new = {sample.entity.key for sample in tasks[-1].samples}
        source = self._source
        if source is None or self._tasks != earlier or not source.met.isdisjoint(new):
            return Forgotten.of(tasks, config)
        self._take(tasks[-1:], source, config)
        return self

    def extend(self, task: Task, config: GateConfig) -> None:
        """Take in one task more where the texts of earlier ones are not at hand, as they never are in what was loaded.

        How much its words say is counted among the truths of this task alone. What is known already stays.
        """
        self._take([task], ForgottenFacts(), config)

    def _take(self, tasks: Sequence[Task], source: ForgottenFacts, config: GateConfig) -> None:
        """Take in tasks of which no entity is known."""
        aliases = known_aliases(config.aliases)
        for task in tasks:
            self._tasks.append(task.name)
            of_task = {entity.key: task.name for entity in task.forget_entities}
            self.expert_of |= of_task
            self._may_be_named |= of_task.keys() & {sample.entity.key for sample in task.retain}
        for entity in sorted({sample.entity for task in tasks for sample in task.samples}):
            names = names_of(entity, aliases)
            if self._hashed_names is None:
                self._names.add(entity.key, names)
            elif entity.key in self.expert_of:
                self._hashed_names.add(entity.key, names)
        for key in sorted(source.take(tasks)):
            self._set_facts(key, [self._hashed(fact) for fact in source.of[key]])
        self._may_be_named -= source.named

    def _set_facts(self, entity: str, facts: list[ForgottenFact]) -> None:
        """Puts these in the place of what was known of the entity."""
        self._facts[entity] = facts
        self._alone.remove(entity)
        for fact in facts:
            if fact.stands_alone:
                self._alone.add(entity, fact.weights)

    @property
    def facts(self) -> list[ForgottenFact]:
        """All facts that can be recognised, by entity. Their words are hashed where all is."""
        found: list[ForgottenFact] = []
        for key in sorted(self._facts):
            found += self._facts[key]
        return found

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
        named = self._guarded(self._named_in(draft), answers) - self._may_be_named
        if not everywhere:
            named &= near
        if named:
            return Told("name", tuple(sorted(named)), "the draft names it")
        words = self._words_of(draft)
        said = self._words_of("\n".join(conversation))
        told = {entity for entity in near if self._tells_fact_of(entity, words, said)}
        if told & suspected:
            return Told("fact", tuple(sorted(told)), "the gate suspects it")
        if told:
            return Told("fact", tuple(sorted(told)), "the conversation names it")
        if everywhere:
            alone = self._guarded(self._alone.told(words), answers)
            if alone:
                return Told("fact", tuple(sorted(alone)), "it stands for nothing else")
        return None

    @property
    def saved(self) -> SavedForgotten:
        """All of it, as it is written."""
        if self._hashed_names is None:
            names, most_words = self._names.names, 0
        else:
            names, most_words = self._hashed_names.hashes, self._hashed_names.most_words
        facts = []
        for fact in self.facts:
            facts.append(
                SavedFact(
                    entity=fact.entity,
                    weights=dict(fact.weights),
                    stands_alone=fact.stands_alone,
                )
            )
        return SavedForgotten(
            experts=self.expert_of,
            facts=facts,
            names=names,
            may_be_named=sorted(self._may_be_named),
            similarity=self._similarity,
            salt=self._salt,
            most_words=most_words,
        )

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, self.saved.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path) -> "Forgotten | None":
        """What `save` wrote; None in a folder that was written without a second look."""
        path = folder / FILE
        if not path.is_file():
            return None
        saved = read_json(path, SavedForgotten, HINT)
        found = cls(similarity=saved.similarity, salt=saved.salt)
        found.expert_of = saved.experts
        found._may_be_named = set(saved.may_be_named)
        for entity, names in saved.names.items():
            if found._hashed_names is None:
                found._names.add(entity, names)
            else:
                found._hashed_names.most_words = saved.most_words
                found._hashed_names.add_hashes(entity, names)
        facts: dict[str, list[ForgottenFact]] = defaultdict(list)
        for fact in saved.facts:
            facts[fact.entity].append(ForgottenFact(fact.entity, fact.weights, fact.stands_alone))
        for entity, of_entity in facts.items():
            found._set_facts(entity, of_entity)
        return found

    def _guarded(self, entities: Set[str], answers: Callable[[str], bool]) -> set[str]:
        """Those that are to be forgotten, and whose expert did not give the draft."""
        found = set()
        for key in entities:
            expert = self.expert_of.get(key)
            if expert is not None and not answers(expert):
                found.add(key)
        return found

    def _named_in(self, text: str) -> set[str]:
        if self._hashed_names is not None:
            return self._hashed_names.find(text)
        return {hit.entity for hit in self._names.find(text, threshold=self._similarity)}

    def _words_of(self, draft: str) -> frozenset[str]:
        words = words_of(draft)
        return words if self._hash is None else frozenset(map(self._hash, words))

    def _hashed(self, fact: ForgottenFact) -> ForgottenFact:
        """The fact with its words as hashes, where all is hashed."""
        if self._hash is None:
            return fact
        weights = {self._hash(word): weight for word, weight in fact.weights.items()}
        # In the order of the hashes, so that the words' own order tells nothing.
        return replace(fact, weights=dict(sorted(weights.items())))

    def _tells_fact_of(self, entity: str, words: Set[str], said: Set[str]) -> bool:
        """Whether the words tell a fact, by themselves or with what was `said` before, to which they add something."""
        for fact in self._facts.get(entity, ()):
            if share_told(fact.weights, words) >= WITH_ENTITY:
                return True
            adds = (fact.weights.keys() & words) - said
            if adds and share_told(fact.weights, words | said) >= WITH_ENTITY:
                return True
        return False


def _hash_with(salt: bytes) -> Hash:
    # Drafts repeat their words.
    @lru_cache(maxsize=1 << 14)
    def hash_of(word: str) -> str:
        return blake2b(word.encode(), digest_size=_HASH_BYTES, key=salt).hexdigest()

    return hash_of
