"""Strangers: entities of no task, of which nobody asked anything, so a gate should leave them to the base."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.data.check_pictures import picture_problem
from mlubench.data.records import IMAGE_FOLDER
from mlubench.data.render import render_release
from mlubench.types import Benchmark, Entity

# How many are drawn. The drawn world would give any number; so many say a rate to about 0.15.
DRAWN = 36
# Of a folder with more pictures, so many are asked about: each must pass through the tower.
MOST_OF_FOLDER = 200
SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Stranger:
    """A question about a picture of something that is in no task."""

    entity: Entity
    picture: Path
    question: str


@dataclass(frozen=True, slots=True)
class Strangers:
    """All that a benchmark has, one for each picture, or why it has none."""

    found: tuple[Stranger, ...] = ()
    why_none: str = ""


def drawn_entities(classes: Sequence[str], seed: int) -> list[Entity]:
    """Invented entities, spread over the classes. Another seed gives others; no drawn world has such names."""
    names = sorted(set(classes))
    return [
        Entity(names[number % len(names)], f"Stranger_{seed}_{number}") for number in range(DRAWN)
    ]


def draw_strangers(entities: Iterable[Entity], root: Path) -> None:
    """Draw a stand-in of each entity where `drawn_picture` looks for it."""
    render_release([_drawn_path(entity) for entity in entities], root)


def drawn_picture(root: Path, entity: Entity) -> Path:
    """The file of the entity's stand-in below `root`."""
    return root / _drawn_path(entity)


def _drawn_path(entity: Entity) -> str:
    return f"{IMAGE_FOLDER}/{entity.key}/image_0001.jpg"


def pictures_in(folder: Path, *, seed: int) -> list[tuple[Entity, Path]]:
    """The pictures below a folder with who is on each: class and name are those of its folder and its file.

    Of many pictures `seed` draws some. Raises UsageError for a folder that is absent or empty, or whose first unusable
    picture is named.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "Give one with pictures: benchmark.strangers.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise UsageError(
            f"{folder} holds no picture", f"Give a folder of files as {', '.join(SUFFIXES)}."
        )
    if len(files) > MOST_OF_FOLDER:
        files = sorted(random.Random(f"{seed}/strangers").sample(files, MOST_OF_FOLDER))
    for path in files:
        problem = picture_problem(path, whole=False)
        if problem is not None:
            raise UsageError(f"{path} {problem}", "Replace it, or take it out of the folder.")
    return [(Entity(path.parent.name, path.stem), path) for path in files]


def asked(
    pictures: Sequence[tuple[Entity, Path]], benchmark: Benchmark, *, seed: int
) -> tuple[Stranger, ...]:
    """One question about each picture, drawn from those of its class; from all where the benchmark has no such class."""
    by_class: dict[str, set[str]] = {}
    for sample in benchmark.samples:
        by_class.setdefault(sample.entity.cls, set()).add(sample.question)
    everything = sorted(set().union(*by_class.values()))
    found = []
    for number, (entity, picture) in enumerate(pictures):
        questions = sorted(by_class.get(entity.cls, ())) or everything
        # A stream for each, so that no other draw depends on how many there are.
        question = random.Random(f"{seed}/strangers/{number}").choice(questions)
        found.append(Stranger(entity, picture, question))
    return tuple(found)
