"""What the detectors look at: facts, their phrasings, and which questions of a class ask for the same thing."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TypeVar

from mlubench.core.errors import DataError
from mlubench.data.records import Record, parse, short
from mlubench.data.release import fold, load_list, split_files, task_folders, task_name
from mlubench.types import Entity, Split

K = TypeVar("K")
V = TypeVar("V")

# "Yes", "No, ...", "Yes - ...": a pause must follow, so that "Yes Minister" and "No man" are none.
_POLAR = re.compile(r"\W*(yes|no)\b(?=\s*(?:[,.;:!\u2014-]|$))", re.IGNORECASE)
# Two questions are one where so many of the entities that are asked both have one answer to both. An answer that
# is shared by chance (both things are red) does not make one question of two.
_SUPPORT = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands."""

    task: str
    split: Split
    index: int  # counts from 0 within its file
    id: str | None  # as the file has it; no rule says what it must be
    image: str  # "" where the question is asked in words alone

    def __str__(self) -> str:
        return f"{self.task}/{self.split}/{self.index}"


@dataclass(frozen=True, slots=True)
class Fact:
    """One answer about one entity, and the records that ask for it."""

    entity: Entity
    truth: str
    # By question, in the order of the files.
    asked: dict[str, list[Place]] = field(default_factory=dict)

    @property
    def places(self) -> list[Place]:
        return list(chain.from_iterable(self.asked.values()))

    @property
    def first(self) -> str:
        """The question that a message quotes."""
        return next(iter(self.asked))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing."""

    kind: str  # a key of the table in `kinds.py`
    message: str
    # The records that it is about. None: the data as a whole.
    places: tuple[Place, ...] = ()


class Data:
    """All facts of a benchmark in the order of its files."""

    def __init__(self, facts: list[Fact]) -> None:
        self.facts = facts
        self.entities = sorted({fact.entity for fact in facts})

    @cached_property
    def by_class(self) -> dict[str, list[Fact]]:
        return _grouped((fact.entity.cls, fact) for fact in self.facts)

    @cached_property
    def by_entity(self) -> dict[Entity, list[Fact]]:
        return _grouped((fact.entity, fact) for fact in self.facts)

    @cached_property
    def groups(self) -> dict[tuple[str, str], str]:
        """(class, plain question) -> the first question of those that ask for the same thing in that class."""
        groups: dict[tuple[str, str], str] = {}
        for cls, facts in self.by_class.items():
            for question, root in _linked(facts).items():
                groups[cls, question] = root
        return groups

    def group(self, fact: Fact, question: str) -> str:
        """The question that stands for all that ask for the same thing, in the fact's class."""
        return self.groups[fact.entity.cls, plain(question)]


def load(root: Path) -> Data:
    """The facts at `root`. Raises UsageError without task folders, DataError where `data check` finds an error."""
    facts: dict[tuple[Entity, str], Fact] = {}
    for folder in task_folders(root):
        name = task_name(folder, root)
        for split, path in split_files(folder).items():
            for index, (raw, record) in enumerate(_records(path, root)):
                entity = record.entity
                fact = facts.setdefault((entity, record.truth), Fact(entity, record.truth))
                place = Place(name, split, index, raw.get("id"), record.image)
                fact.asked.setdefault(record.question, []).append(place)
    return Data(list(facts.values()))


def places_of(facts: Iterable[Fact]) -> tuple[Place, ...]:
    """All records that ask for one of the facts."""
    return tuple(chain.from_iterable(fact.places for fact in facts))


def plain(question: str) -> str:
    """The question without Markdown and case: what is compared between entities."""
    return fold(question.replace("*", "").replace("_", " "))


def polarity(truth: str) -> str:
    """What the answer begins with: "yes", "no", or "" for neither."""
    found = _POLAR.match(truth)
    return found.group(1).lower() if found else ""


def words(text: str) -> list[str]:
    """The text's words and numbers without case and punctuation."""
    return re.findall(r"[^\W_]+", text.casefold())


def quote(text: str, limit: int = 12) -> str:
    """At most `limit` words of a text, quoted."""
    parts = text.split()
    shown = " ".join(parts[:limit])
    if len(parts) > limit:
        shown += " ..."
    return short(shown, 120)


def _records(path: Path, root: Path) -> Iterator[tuple[dict[str, str], Record]]:
    """Each record of a file as JSON gave it and as it is read."""
    hint = f"`mlubench data check {root}` lists everything that is wrong."
    try:
        raws = load_list(path)
    except ValueError as error:
        raise DataError(f"{path} {error}", hint) from None
    for index, raw in enumerate(raws):
        try:
            yield raw, parse(raw)
        except ValueError as error:
            raise DataError(f"{path} record {index}: {error}", hint) from None


def _grouped(pairs: Iterator[tuple[K, V]]) -> dict[K, list[V]]:
    groups: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)


def _linked(facts: list[Fact]) -> dict[str, str]:
    """Each question and the first of its group: those that have one answer for most entities that are asked both."""
    # Question -> the entities of which it is asked; two questions -> for how many entities they have one answer.
    asking: dict[str, set[Entity]] = defaultdict(set)
    together: Counter[tuple[str, str]] = Counter()
    for fact in facts:
        questions = list(dict.fromkeys(plain(question) for question in fact.asked))  # in order
        for question in questions:
            asking[question].add(fact.entity)
        together.update((questions[0], other) for other in questions[1:])
    # Union-find: each question points towards the first one of its group, which points to itself.
    parent = {question: question for question in asking}

    def find(question: str) -> str:
        while parent[question] != question:
            parent[question] = parent[parent[question]]  # halves the way for the next time
            question = parent[question]
        return question

    for (one, other), count in together.items():
        if count >= _SUPPORT * len(asking[one] & asking[other]):
            parent[find(other)] = find(one)
    return {question: find(question) for question in parent}
