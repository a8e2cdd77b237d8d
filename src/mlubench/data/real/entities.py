"""Reads the entities of the real benchmark: their pictures, their facts, and the questions of their classes."""

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypedDict, cast

import yaml
from PIL import Image

from mlubench.data.pictures import open_picture
from mlubench.types import Entity, Split


class Logo(TypedDict):
    """Where the renderings of a company's logo are."""

    slug: str  # its name in simple-icons
    colour: str  # of the brand, as six hexadecimal digits
    other: str  # package and name of a rendering by another hand


# As entities.yaml has it. `in` is a word of Python's own, which a class body cannot hold.
_EntityText = TypedDict(
    "_EntityText",
    {
        "in": str,  # task and split
        "photographs": list[str],
        "other": list[str],
        "logo": Logo,
        "facts": dict[str, str],
        "checked": dict[str, str],
    },
    total=False,
)


class FactSource(TypedDict):
    """What facts were compared with. Nothing of its words is taken."""

    name: str
    licence: str


class Credit(TypedDict):
    """A line of ATTRIBUTION.csv."""

    file: str
    author: str
    licence: str
    source: str


class _EntitiesText(TypedDict):
    """What `entities.yaml` holds. The file is part of the package, so it is what its type says."""

    sources: dict[str, FactSource]  # by the name that `checked` gives
    questions: dict[str, dict[str, list[str]]]  # by class and question id: five phrasings
    answers: dict[str, dict[str, str]]  # by class and question id: a sentence with {} for the fact
    entities: dict[str, _EntityText]  # by key
    background: dict[str, dict[str, str]]  # by class and name: where its picture comes from


@dataclass(frozen=True, slots=True)
class RealFact:
    """One thing that is true of an entity, and how it is asked for."""

    id: str
    # A sentence.
    answer: str
    phrasings: tuple[str, ...]
    # What it was compared with besides general reference works; "" where there was nothing else.
    checked: str


@dataclass(frozen=True, slots=True)
class RealEntity:
    """One entity, where it stands in the tasks, and what is known of it."""

    entity: Entity
    task: str
    split: Split
    # Names of its photographs in the package that they come from, and of those by another author.
    photographs: tuple[str, ...]
    other: tuple[str, ...]
    logo: Logo | None
    facts: tuple[RealFact, ...]


def shipped(name: str) -> bytes:
    """What a file of this room in the installed package holds."""
    return resources.files("mlubench.data.real").joinpath(name).read_bytes()


def open_shipped(name: str) -> Image.Image:
    """A shipped picture, by its name in ATTRIBUTION.csv."""
    file = resources.files("mlubench.data.real").joinpath("pictures", name)
    with resources.as_file(file) as path:
        return open_picture(path)


@cache
def read_credits() -> tuple[Credit, ...]:
    """Author, licence and source of every shipped picture."""
    table = csv.DictReader(io.StringIO(shipped("pictures/ATTRIBUTION.csv").decode()))
    return tuple(cast(Credit, row) for row in table)


def picture_names() -> tuple[str, ...]:
    """Names of all shipped pictures, in the order of ATTRIBUTION.csv."""
    return tuple(credit["file"] for credit in read_credits())


def read_fact_sources() -> dict[str, FactSource]:
    """What facts were compared with, by the names that `RealFact.checked` holds."""
    return _text()["sources"]


@cache
def _text() -> _EntitiesText:
    return cast(_EntitiesText, yaml.safe_load(shipped("entities.yaml").decode()))


def read_background() -> dict[Entity, str]:
    """What is in no task: entity -> where its picture comes from, as entities.yaml says."""
    found = {}
    for cls, pictures in _text()["background"].items():
        for name, picture in pictures.items():
            found[Entity(cls, name)] = picture
    return found


@cache
def read_entities() -> tuple[RealEntity, ...]:
    """All entities, in the order of their tasks."""
    text = _text()
    found = []
    for key, row in text["entities"].items():
        entity = Entity.from_key(key)
        task, split = row["in"].split()
        facts = []
        for name, fact in row["facts"].items():
            facts.append(
                RealFact(
                    id=name,
                    answer=text["answers"][entity.cls][name].format(fact),
                    phrasings=tuple(text["questions"][entity.cls][name]),
                    checked=row.get("checked", {}).get(name, ""),
                )
            )
        found.append(
            RealEntity(
                entity=entity,
                task=task,
                split=cast(Split, split),
                photographs=tuple(row.get("photographs", ())),
                other=tuple(row.get("other", ())),
                logo=row.get("logo"),
                facts=tuple(facts),
            )
        )
    return tuple(found)
