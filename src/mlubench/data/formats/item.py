"""What a reader of another benchmark gives: questions about entities, each with the place where it stands."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlubench.core.errors import DataError
from mlubench.data.picture_kinds import PictureKind
from mlubench.types import Split


@dataclass(frozen=True, slots=True)
class Place:
    """A row of a file."""

    file: Path
    row: int  # from 0

    def error(self, column: str, problem: str, do: str) -> DataError:
        """What is wrong with one field of the row, in one line."""
        return DataError(f"{self.file} row {self.row}, field {column}: {problem}", do)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is not looked at yet."""

    content: bytes | Path  # the encoded picture, or the file that holds it
    column: str  # the field that named it, for errors


@dataclass(frozen=True, slots=True)
class Item:
    """One question about one entity, with its answer."""

    place: Place
    # The entity as the original spells it. Equal class and name are one entity.
    cls: str
    name: str
    question: str
    answer: str
    picture: Picture | None = None
    # What the original says of the entity: whether it is to be forgotten, and in which task. None: it does not say.
    split: Split | None = None
    task: str | None = None
    picture_kind: PictureKind | None = None


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a user may choose."""

    tasks: int = 4
    # Entities that each task forgets, and keeps. None: as many as there are, dealt out evenly.
    forget_per_task: int | None = None
    retain_per_task: int | None = None
    seed: int = 0
    # Which of the original's forget sets is taken, as it is named there. None: the largest.
    forget: str | None = None
    # Where the paths of pictures begin. None: where the file lies that names them.
    images: Path | None = None
    # Which column of the original stands for one of ours.
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Notes:
    """What an import takes for granted and what it leaves out, to be told at the end."""

    assumed: list[str] = field(default_factory=list)
    # What was left out, and how often.
    lost: Counter[str] = field(default_factory=Counter)

    def assume(self, what: str) -> None:
        if what not in self.assumed:
            self.assumed.append(what)

    def lose(self, what: str, count: int = 1) -> None:
        self.lost[what] += count


# The items of a folder or file. Raises UsageError for a source that is none of this kind, DataError for a row that
# cannot be used, which names file, row and field.
Reader = Callable[[Path, ImportOptions, Notes], Iterator[Item]]
