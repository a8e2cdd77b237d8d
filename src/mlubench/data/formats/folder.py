"""The folder that is written: pictures as they come, so that none stays in memory, and records at the end."""

import io
import re
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from PIL import Image

from mlubench.core.files import write_atomic
from mlubench.core.spelling import name_keys
from mlubench.data import release
from mlubench.data.formats.item import Item, Notes, Picture, Place
from mlubench.data.formats.sequence import Standing
from mlubench.data.picture_kinds import PICTURES, PictureKind, picture_table
from mlubench.data.pixels import FORMATS, decode_problem, size_problem
from mlubench.data.records import IMAGE_FOLDER, IMAGE_MARKER, problems, unparse
from mlubench.data.records import Record as OfficialRecord
from mlubench.types import Entity, Split

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
# What no part of a path may hold, with spaces: the official folders are named `Ada_Lovelace`.
_NOT_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\/\s]+")
_LONGEST_NAME = 100  # characters of a folder's name

# What is told of records that are left out.
AGAIN = "questions that were there already, with the same answer"
OTHERWISE = "questions that were there already, with another answer"
SHARED = "questions on a picture that also shows something to be forgotten"


@dataclass(frozen=True, slots=True)
class _Kept:
    """One question, as it will be written."""

    entity: Entity
    image: str  # "" where there is no picture
    question: str
    answer: str


class ImportedFolder:
    """Takes items in any order, and writes the official layout once it is known where each entity stands."""

    def __init__(self, root: Path, notes: Notes) -> None:
        self.root = root
        self.notes = notes
        # What the original says of each entity. What it says first counts, but for an entity that is to be forgotten.
        self.splits: dict[Entity, Split | None] = {}
        self.tasks: dict[Entity, str] = {}
        self._entities: dict[tuple[str, str], Entity] = {}
        self._spellings: set[str] = set()
        self._records: list[_Kept] = []
        # By what is shown and asked, the answer.
        self._answers: dict[tuple[str, str], str] = {}
        self._kinds: dict[str, PictureKind] = {}

    def add(self, item: Item) -> None:
        """Take one item. Raises DataError, which names file, row and field, for what cannot be written."""
        entity = self._entity(item)
        if item.split is not None and self.splits.get(entity) != "forget":
            self.splits[entity] = item.split
        self.splits.setdefault(entity, None)
        if item.task is not None:
            self.tasks.setdefault(entity, item.task)
        image = ""
        if item.picture is not None:
            image = self._picture(entity, item.picture, item.place)
            if item.picture_kind is not None:
                self._kinds[image] = item.picture_kind
        question = _without_marker(item.question)
        answer = _without_marker(item.answer)
        subject = "" if image else entity.key
        official = OfficialRecord(image, question, answer, subject)
        wrong = problems(unparse(1, official))
        if wrong:
            raise item.place.error("question or answer", wrong[0].message, "Mend it.")
        asked = (official.shown, question)
        if asked in self._answers:
            same = release.fold(self._answers[asked]) == release.fold(answer)
            self.notes.lose(AGAIN if same else OTHERWISE)
            return
        self._answers[asked] = answer
        self._records.append(_Kept(entity, image, question, answer))

    def write(self, standings: Mapping[Entity, Standing]) -> None:
        """Tasks/TaskX/taskX_{forget,retain}.json; pictures of entities that stand nowhere are taken away again."""
        shared = self._both_forgotten_and_kept(standings)
        records: dict[str, dict[str, list[dict[str, str]]]] = {}
        used: set[str] = set()
        for kept in self._records:
            standing = standings.get(kept.entity)
            if standing is None:
                continue
            if standing.split == "retain" and _hash_of(kept.image) in shared:
                self.notes.lose(SHARED)
                continue
            splits = records.setdefault(standing.task, {})
            about = {"image": kept.image} if kept.image else {"entity": kept.entity.key}
            row = {**about, "question": kept.question, "answer": kept.answer}
            splits.setdefault(standing.split, []).append(row)
            used.add(kept.image)
        release.write(records, self.root)
        self._remove_all_but(used)
        kinds = {image: (kind, "") for image, kind in self._kinds.items() if image in used}
        if kinds:
            write_atomic(self.root / PICTURES, picture_table(kinds))

    def _entity(self, item: Item) -> Entity:
        """The entity in a spelling that paths can hold, which no other entity has."""
        original = (item.cls, item.name)
        if original not in self._entities:
            entity = Entity(_path_part(item.cls, item.place), _path_part(item.name, item.place))
            number = 1
            while self._is_taken(entity):
                number += 1
                entity = Entity(entity.cls, f"{_path_part(item.name, item.place)}_{number}")
            self._spellings.update(name_keys(entity.key))
            self._entities[original] = entity
        return self._entities[original]

    def _is_taken(self, entity: Entity) -> bool:
        return not self._spellings.isdisjoint(name_keys(entity.key))

    def _picture(self, entity: Entity, picture: Picture, place: Place) -> str:
        """The path of the picture, which lies there now. Its name is its hash, so that it is there once."""
        data = _bytes_of(picture, place)
        suffix = _suffix_of(data, picture, place)
        name = sha256(data).hexdigest()[:20]
        path = f"{IMAGE_FOLDER}/{entity.cls}/{entity.name}/{name}{suffix}"
        target = self.root / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # The whole folder appears at once, so nobody sees half a picture.
            target.write_bytes(data)
        return path

    def _both_forgotten_and_kept(self, standings: Mapping[Entity, Standing]) -> set[str]:
        """The hashes of pictures that show something to be forgotten and are kept for something else as well."""
        hashes: dict[Split, set[str]] = {"forget": set(), "retain": set()}
        for kept in self._records:
            standing = standings.get(kept.entity)
            if standing is not None and kept.image:
                hashes[standing.split].add(_hash_of(kept.image))
        return hashes["forget"] & hashes["retain"]

    def _remove_all_but(self, used: set[str]) -> None:
        for path in sorted((self.root / IMAGE_FOLDER).rglob("*.*")):
            if path.is_file() and path.relative_to(self.root).as_posix() not in used:
                path.unlink()
        for folder in sorted((self.root / IMAGE_FOLDER).glob("*/*")):
            if not any(folder.iterdir()):
                shutil.rmtree(folder)


def _hash_of(image: str) -> str:
    """The name that `_picture` gave to a picture, without folder and ending."""
    return Path(image).stem


def _without_marker(text: str) -> str:
    return text.replace(IMAGE_MARKER, "").strip()


def _path_part(text: str, place: Place) -> str:
    """A class or name as a part of a path."""
    part = _NOT_IN_A_PATH.sub("_", text.strip())[:_LONGEST_NAME].strip("_. ")
    if not part:
        raise place.error("entity", f"{text!r} cannot name a folder", "Give it another name.")
    # A folder of that name would be taken for the one that holds all pictures.
    return f"{part}_" if part == IMAGE_FOLDER else part


def _bytes_of(picture: Picture, place: Place) -> bytes:
    if isinstance(picture.content, bytes):
        return picture.content
    try:
        return picture.content.read_bytes()
    except OSError as error:
        problem = f"{picture.content} cannot be read: {error.strerror or error}"
        raise place.error(picture.column, problem, "Check the file.") from None


def _suffix_of(data: bytes, picture: Picture, place: Place) -> str:
    """The ending for the picture's format. Only its head is read. Raises DataError for what is no usable picture."""
    try:
        with warnings.catch_warnings():
            # Of big pictures and odd metadata, which make no picture unusable.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                problem = size_problem(opened.size)
                form = opened.format or ""
    # Broken files make Pillow raise nearly anything.
    except Exception as error:  # noqa: BLE001
        problem = decode_problem(error, data[:512])
        form = ""
    if problem is not None:
        raise place.error(picture.column, f"the picture {problem.what}", problem.do)
    return _SUFFIXES[form]
