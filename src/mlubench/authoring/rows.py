"""The rows of a build's files: one JSON object a line, keys sorted, UTF-8, so that a person can read and mend them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlubench.core.errors import DataError
from mlubench.core.files import write_atomic
from mlubench.types import Entity

PHRASINGS = 5
# A line that a person could not have written; reading on would only fill the memory.
_LONGEST_LINE = 2**20

Verdict = Literal["pending", "accepted", "edited", "rejected"]
R = TypeVar("R", bound="Row")


class Row(BaseModel):
    """What all rows have in common: no unknown keys, no change, and an identity that no other row of the file has."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    identity: ClassVar[tuple[str, ...]]

    @property
    def id_(self) -> tuple[str, ...]:
        return tuple(getattr(self, name) for name in self.identity)


class EntityRow(Row):
    """`key` is Class/Name as in a picture's path, `name` as people write it. `facts`: question id -> answer."""

    identity = ("key",)
    key: str
    cls: str
    name: str
    aliases: list[str] = []
    wikipedia: str | None = None
    facts: dict[str, str] = {}

    @property
    def entity(self) -> Entity:
        return Entity.from_key(self.key)


class PictureRow(Row):
    """`file` is relative to the build's folder. `sha256` and `phash` (hex) are of the file as we wrote it.

    A picture that was not kept has `kept` false, says `why`, and lies nowhere: its `file` is where it would have lain.
    """

    identity = ("file",)
    entity: str
    file: str
    sha256: str = ""
    phash: str = ""
    width: int = Field(0, ge=0)
    height: int = Field(0, ge=0)
    source: str
    licence: str
    kept: bool
    why: str = ""


class QuestionRow(Row):
    """One question of a class in five phrasings, the first of which unlearning trains on."""

    identity = ("cls", "id")
    id: str
    cls: str
    phrasings: list[str] = Field(min_length=PHRASINGS, max_length=PHRASINGS)


class AnswerRow(Row):
    """`source`: `given` (verbatim), `template` (a fact put into the question's sentence) or `model:<name>`."""

    identity = ("entity", "question")
    entity: str
    question: str
    answer: str = Field(min_length=1)
    source: str = Field(pattern=r"^(given|template|model:.+)$")


class UnansweredRow(Row):
    """A question about an entity that has no answer, and why: it will not be asked."""

    identity = ("entity", "question")
    entity: str
    question: str
    why: str


class ItemRow(Row):
    """One (picture, phrasing, answer) for a person to look at; `text` is the phrasing, `phrasing` its number from 0.

    `who` and `when` are empty until a person has said something.
    """

    identity = ("id",)
    id: str
    picture: str
    entity: str
    question: str
    phrasing: int = Field(ge=0, lt=PHRASINGS)
    text: str
    answer: str
    verdict: Verdict = "pending"
    who: str = ""
    when: str = ""


class KnownRow(Row):
    """What each model scored on an item, 0 to 2; None where it could not be judged, which is never 0."""

    identity = ("id",)
    id: str
    scores: dict[str, Literal[0, 1, 2] | None]
    kept: bool
    why: str = ""


def line(row: Row) -> str:
    return json.dumps(row.model_dump(mode="json"), ensure_ascii=False, sort_keys=True) + "\n"


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """The whole file in one step."""
    write_atomic(path, "".join(map(line, rows)))


def read_rows(path: Path, kind: type[R], *, unique: bool = True) -> list[R]:
    """The file's rows. Raises DataError naming file, line and field for the first that is wrong, or there twice."""
    rows: list[R] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, raw in enumerate(_lines(path), 1):
        if not raw.strip():
            continue
        row = _parse(path, number, raw, kind)
        if (first := seen.setdefault(row.id_, number)) != number and unique:
            raise DataError(
                f"{path}, line {number} says again what line {first} says of {'/'.join(row.id_)}",
                _MEND,
            )
        rows.append(row)
    return rows


_MEND = "Mend the line, or delete the file and build again."


def _lines(path: Path) -> Sequence[bytes]:
    try:
        lines = (
            path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        )  # some editors begin with a mark
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "Build it with `mlubench data build`.") from None
    return lines


def _parse(path: Path, number: int, raw: bytes, kind: type[R]) -> R:
    if len(raw) > _LONGEST_LINE:
        raise DataError(
            f"{path}, line {number} has {len(raw)} bytes, more than {_LONGEST_LINE}", _MEND
        )
    try:
        return kind.model_validate(json.loads(raw.decode()))
    except ValidationError as error:
        first: Any = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{path}, line {number}: {where + ': ' if where else ''}{first['msg']}", _MEND
        ) from None
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise DataError(f"{path}, line {number} is no JSON: {error}", _MEND) from None
