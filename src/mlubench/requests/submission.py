"""A request as it comes in: its pictures are looked at and copied, so that nothing later depends on who sent them."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from typing import Annotated
from unicodedata import bidirectional, category

from pydantic import Field, StringConstraints

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest, file_sha256, is_whole, whole_dir, write_json
from mlubench.core.locks import locked
from mlubench.core.reading import read_json
from mlubench.data.check_pictures import broken_pictures
from mlubench.data.same_pictures import look_at_all, same_pictures
from mlubench.data.strangers import SUFFIXES
from mlubench.requests.place import Place
from mlubench.settings.strict import Strict
from mlubench.types import Entity

# The folder of a request that holds what was sent.
SENT = "sent"
# More would take hours of asking, and say nothing new.
MOST_PICTURES = 200
# Names are looked for in every question.
MOST_ALIASES = 100
# In characters.
LONGEST_NAME = 200
# Of a name that is wrong so much is shown.
_SHOWN = 60
# Control characters, which move a terminal's cursor, halves of characters, which no file can hold, and ends of lines.
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
# What turns the order of the characters behind it. A single one that joins or parts letters is part of some names.
_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
# Of an entity whose class nobody named.
NO_CLASS = "Other"


# Blanks alone ask and tell nothing.
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Answered(Strict):
    """A question about the entity and what must not be answered any more."""

    question: Words
    answer: Words
    phrasings: tuple[Words, ...] = ()
    """Other wordings of the question."""


class Sent(Strict):
    """What a request says, beside its pictures."""

    entity: str = Field(description="its key, as Personage/Jane_Doe")
    aliases: tuple[str, ...] = ()
    answers: tuple[Answered, ...] = ()
    pictures: tuple[str, ...] = Field(description="file names below `sent`, in order")

    @property
    def key(self) -> Entity:
        return Entity.from_key(self.entity)


@dataclass(frozen=True, slots=True)
class Submission:
    """A request that was looked at and may be taken in."""

    entity: Entity
    aliases: tuple[str, ...]
    answers: tuple[Answered, ...]
    pictures: tuple[Path, ...]
    # Of all of it.
    content: str


def entity_of(name: str, cls: str | None) -> Entity:
    """The entity that a person names: `Jane Doe` of a class, or `Personage/Jane_Doe`. Raises UsageError for no name."""
    given, slash, rest = name.strip().partition("/")
    if slash and cls is None:
        cls, name = given, rest
    spelt = "_".join(name.split())
    cls = cls.strip() if cls else cls
    # A slash parts the class from the name in the entity's key, so neither holds one.
    if not _is_name(spelt) or "/" in spelt:
        raise UsageError(f"{name[:_SHOWN]!r} is no entity's name", "Give one: --entity 'Jane Doe'.")
    if cls and (not _is_name(cls) or "/" in cls):
        raise UsageError(f"{cls[:_SHOWN]!r} is no class", "Give one: --class Personage.")
    return Entity(cls or NO_CLASS, spelt)


def _is_name(text: str) -> bool:
    """Whether it has a letter or a digit, is not too long, and holds nothing that would show as something else."""
    if len(text) > LONGEST_NAME or not any(character.isalnum() for character in text):
        return False
    return not any(
        category(character) in _UNSEEN or bidirectional(character) in _TURNS for character in text
    )


def look_through(
    entity: Entity,
    pictures: Path,
    *,
    answers: Sequence[Answered] = (),
    aliases: Sequence[str] = (),
    fewest: int,
) -> Submission:
    """Look at everything that was sent. Raises UsageError that names the first thing wrong."""
    _check_aliases(aliases)
    files = _pictures_in(pictures)
    names = [str(path.relative_to(pictures)) for path in files]
    broken = broken_pictures(pictures, names)
    if broken:
        name, problem = broken[0]
        raise UsageError(f"picture {name} {problem}", "Replace it, or take it out.")
    same = same_pictures(look_at_all(pictures, names))
    if same:
        raise UsageError(
            f"{same[0][0]} and {same[0][1]} show the same picture", "Leave one of them out."
        )
    if len(files) < fewest:
        raise UsageError(
            f"{len(files)} pictures are too few to learn from and to measure with",
            f"Give {fewest} or more different ones.",
        )
    made_of = {
        "entity": entity.key,
        "aliases": sorted(aliases),
        "answers": [one.model_dump() for one in answers],
        "pictures": sorted(file_sha256(path) for path in files),
    }
    return Submission(entity, tuple(aliases), tuple(answers), tuple(files), digest(made_of, 64))


def _check_aliases(aliases: Sequence[str]) -> None:
    if len(aliases) > MOST_ALIASES:
        raise UsageError(
            f"{len(aliases)} aliases are too many", f"Give {MOST_ALIASES} or fewer: --alias."
        )
    for alias in aliases:
        if not _is_name(alias):
            raise UsageError(f"{alias[:_SHOWN]!r} is no name", "Give one: --alias 'J. Doe'.")


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "Give the folder of the request's pictures.")
    kinds = ", ".join(SUFFIXES)
    found = []
    for path in sorted(folder.rglob("*")):
        kind, _ = guess_type(path.name)
        if path.suffix.lower() in SUFFIXES:
            found.append(path)
        elif kind is not None and kind.startswith("image/"):
            # Whoever sent it would take it for learned from.
            name = str(path.relative_to(folder))[-_SHOWN:]
            raise UsageError(
                f"picture {name!r} is of a kind that is not read here",
                f"Save it as one that ends in {kinds}, or take it out.",
            )
    if not found:
        raise UsageError(f"{folder} holds no picture", f"Give files that end in {kinds}.")
    if len(found) > MOST_PICTURES:
        raise UsageError(f"{folder} holds {len(found)} pictures", f"Give {MOST_PICTURES} or fewer.")
    return found


def answers_in(path: Path) -> tuple[Answered, ...]:
    """What a file of --qa says. Raises UsageError for what is no such file."""
    try:
        return tuple(read_json(path, list[Answered]))
    except MlubenchError as error:
        raise UsageError(
            error.what, 'Give a JSON list: [{"question": "...", "answer": "..."}].'
        ) from None


def take_in(place: Place, request: str, submission: Submission) -> None:
    """Copy what was sent into the request's folder, whole or not at all. What is there already stays."""
    folder = place.folder(request) / SENT
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The same request may be sent twice at once.
    with locked(folder.parent / ".lock"):
        if is_whole(folder):
            return
        with whole_dir(folder, {"content": submission.content}) as out:
            names = []
            for number, path in enumerate(submission.pictures, 1):
                names.append(f"{number:04d}{path.suffix.lower()}")
                shutil.copyfile(path, out / names[-1])
            sent = Sent(
                entity=submission.entity.key,
                aliases=submission.aliases,
                answers=submission.answers,
                pictures=tuple(names),
            )
            write_json(out / "request.json", sent.model_dump(mode="json"))


def read_sent(place: Place, request: str) -> Sent:
    """What a request says."""
    return read_json(place.folder(request) / SENT / "request.json", Sent)
