"""Entities that stand in several places, under one spelling or several: forgotten and kept, or in two tasks."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from mlubench.core.spelling import name_keys, plain_letters
from mlubench.types import Entity, Split


@dataclass(frozen=True, slots=True)
class Standing:
    """An entity in one file of a benchmark."""

    entity: Entity
    task: str
    split: Split


@dataclass(frozen=True, slots=True)
class Overlap:
    """One entity that stands in several places, or entities whose names can be taken for one."""

    # In the order of the files.
    standings: tuple[Standing, ...]
    # Spelt in several ways that a reader takes for one name. False: the names differ in accents, as two names may.
    is_one_name: bool = True

    @property
    def is_error(self) -> bool:
        """Whether one entity is to be forgotten and to be kept, which no model can do."""
        return self.is_one_name and self._both_splits()

    @property
    def message(self) -> str:
        """What is wrong, naming the entities and their places."""
        return f"{self._subject()} {self._problem()}: {self._places()}"

    def _spellings(self) -> list[str]:
        return list(dict.fromkeys(s.entity.key for s in self.standings))

    def _both_splits(self) -> bool:
        return len({s.split for s in self.standings}) == 2

    def _subject(self) -> str:
        first, *others = self._spellings()
        if not others:
            return first
        # Letters outside ASCII by their numbers: on a screen the names are the same.
        named = " and ".join(ascii(key) for key in (first, *others))
        return f"{first} under {len(others) + 1} spellings ({named})"

    def _problem(self) -> str:
        if not self.is_one_name:
            return "differs in accents alone and may be one entity"
        if self._both_splits():
            return "is both to be forgotten and to be kept"
        if len({s.task for s in self.standings}) > 1:
            return "is in several tasks"
        return "counts as several entities"

    def _places(self) -> str:
        places = (f"{s.task} {s.split}" for s in self.standings)
        return ", ".join(dict.fromkeys(places))


def find_overlaps(standings: Iterable[Standing]) -> list[Overlap]:
    """Every entity with several standings, however it is spelt, in the order of the names."""
    groups = _one_name_each(standings)
    overlaps = [Overlap(tuple(members)) for members in groups if len(members) > 1]
    overlaps += _differing_in_accents(groups)
    return sorted(overlaps, key=lambda overlap: overlap.standings[0].entity)


def _one_name_each(standings: Iterable[Standing]) -> list[list[Standing]]:
    """The standings by name. A name that shares keys with two others makes one of all three."""
    groups: dict[str, list[Standing]] = {}  # by key
    for standing in dict.fromkeys(standings):
        members: list[Standing] = []
        for key in name_keys(standing.entity.key):
            members += [other for other in groups.get(key, ()) if other not in members]
        members.append(standing)
        for member in members:
            for key in name_keys(member.entity.key):
                groups[key] = members
    return list({id(members): members for members in groups.values()}.values())


def _differing_in_accents(groups: list[list[Standing]]) -> list[Overlap]:
    """Names that only their accents tell apart, where one is to be forgotten and one to be kept."""
    alike: dict[str, list[list[Standing]]] = {}
    for members in groups:
        letters = " ".join(plain_letters(members[0].entity.key.replace("_", " ")).split())
        alike.setdefault(letters, []).append(members)
    found = []
    for names in alike.values():
        standings = tuple(chain.from_iterable(names))
        if len(names) > 1 and len({standing.split for standing in standings}) == 2:
            found.append(Overlap(standings, is_one_name=False))
    return found
