"""The rows of a build's files: one JSON object a line, for a person to read and mend."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlubench.core.errors import DataError
from mlubench.core.files import write_atomic
from mlubench.core.reading import first_misfit, json_value
from mlubench.types import Entity

PHRASINGS = 5
# A line that a person could not have written; reading on would only fill the memory.
_LONGEST_LINE = 2**20
# Some editors begin a file with a byte order mark.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MEND = "Mend the line, or delete the file and build again."

ReviewVerdict = Literal["pending", "accepted", "edited", "rejected"]
R = TypeVar("R", bound="Row")


class Row(BaseModel):
    """What all rows have in common: no unknown keys, no change, and an identity."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    # The fields that together tell a row from every other row of its file.
    identity: ClassVar[tuple[str, ...]]

    @property
    def id_(self) -> tuple[str, ...]:
        return tuple(getattr(self, name) for name in self.identity)


class EntityRow(Row):
    """Somebody or something that the benchmark asks about."""

    identity = ("key",)
    key: str = Field(description="Class/Name as in a picture's path")
    cls: str
    name: str = Field(description="as people write it")
    aliases: list[str] = []
    wikipedia: str | None = Field(None, description="the title of its article")
    facts: dict[str, str] = Field({}, description="question id -> answer")

    @property
    def entity(self) -> Entity:
        return Entity.from_key(self.key)


class PictureRow(Row):
    """A picture of an entity, or one that was tried and not kept."""

    identity = ("file",)
    entity: str
    file: str = Field(description="relative to the build's folder; nothing lies there if not kept")
    sha256: str = Field("", description="of the file as we wrote it")
    phash: str = Field("", description="difference hash of the file as we wrote it, 16 hex digits")
    width: int = Field(0, ge=0)
    height: int = Field(0, ge=0)
    source: str
    licence: str
    kept: bool
    why: str = Field("", description="why it was not kept")
    may_pass: bool = Field(
        False, description="what kept it away may pass: a later build asks again"
    )


class QuestionRow(Row):
    """One question of a class."""

    identity = ("cls", "id")
    id: str
    cls: str
    phrasings: list[str] = Field(
        min_length=PHRASINGS, max_length=PHRASINGS, description="unlearning trains on the first"
    )


class TruthRow(Row):
    """The true answer to a question about an entity."""

    identity = ("entity", "question")
    entity: str
    question: str
    answer: str = Field(min_length=1)
    source: str = Field(
        pattern=r"^(given|template|model:.+)$",
        description="`given`: a fact verbatim. `template`: a fact put into the question's sentence."
        " `model:<name>`: what a model replied.",
    )


class UnansweredRow(Row):
    """A question about an entity that has no answer and so will not be asked."""

    identity = ("entity", "question")
    entity: str
    question: str
    why: str


class ItemRow(Row):
    """One (picture, phrasing, answer) for a person to look at."""

    identity = ("id",)
    id: str
    picture: str
    entity: str
    question: str
    phrasing: int = Field(ge=0, lt=PHRASINGS, description="the number of the phrasing")
    text: str = Field(description="the phrasing")
    answer: str
    verdict: ReviewVerdict = "pending"
    who: str = Field("", description="who looked at it; empty until somebody did")
    when: str = Field("", description="and when")


class KnownRow(Row):
    """What each model knows of an item."""

    identity = ("id",)
    id: str
    scores: dict[str, Literal[0, 1, 2] | None] = Field(
        description="by model; None where the answer could not be judged, which is never 0"
    )
    kept: bool
    why: str = Field("", description="why it was not kept")


def row_line(row: Row) -> str:
    return json.dumps(row.model_dump(mode="json"), ensure_ascii=False, sort_keys=True) + "\n"


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Writes the whole file in one step."""
    write_atomic(path, "".join(row_line(row) for row in rows))


def read_rows(path: Path, row_type: type[R], *, unique: bool = True) -> list[R]:
    """The rows of a file.

    Raises DataError naming file, line and field for the first row that is wrong or, where rows must
    be `unique`, that is there twice.
    """
    rows: list[R] = []
    first_lines: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        row = _parse(path, number, line, row_type)
        first = first_lines.setdefault(row.id_, number)
        if unique and first != number:
            identity = "/".join(row.id_)
            raise DataError(
                f"{path}, line {number} says again what line {first} says of {identity}", _MEND
            )
        rows.append(row)
    return rows


def _lines(path: Path) -> list[bytes]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "Build it with `mlubench data build`.") from None
    return data.removeprefix(_BYTE_ORDER_MARK).split(b"\n")


def _parse(path: Path, number: int, line: bytes, row_type: type[R]) -> R:
    where = f"{path}, line {number}"
    if len(line) > _LONGEST_LINE:
        raise DataError(f"{where} has {len(line)} bytes, more than {_LONGEST_LINE}", _MEND)
    try:
        return row_type.model_validate(json_value(line))
    except ValidationError as error:
        raise DataError(f"{where}: {first_misfit(error)}", _MEND) from None
    except ValueError as error:
        raise DataError(f"{where} is no JSON: {error}", _MEND) from None
