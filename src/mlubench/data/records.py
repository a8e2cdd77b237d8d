"""What one annotation record must look like: a single rule for the reader, the writer and the checker.

A record has a picture, whose path names class and entity, or none: then `entity` names them, as "Person/Ada_Lovelace".
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from mlubench.types import Entity

IMAGE_MARKER = "<image>"
IMAGE_FOLDER = "downloaded_images"
ProblemKind = Literal["shape", "marker", "path", "text"]

# "C:", which Windows takes for the root of a drive.
_DRIVE = re.compile(r"[A-Za-z]:")
# Control characters, and halves of surrogate pairs, which JSON can hold and no file name can.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPEAKERS = ("human", "gpt")


@dataclass(frozen=True, slots=True)
class Record:
    """One parsed record. Both texts are stripped."""

    image: str  # the picture's path, with /; "" where the question is asked in words alone
    question: str  # without the image marker
    truth: str
    # The entity's key, of a record without a picture. A picture's path names it otherwise.
    subject: str = ""

    @property
    def entity(self) -> Entity:
        return entity_of(self.image) if self.image else Entity.from_key(self.subject)

    @property
    def shown(self) -> str:
        """What the question is asked about: the picture's path, or the entity's key where there is no picture."""
        return self.image or self.subject

    @property
    def unit(self) -> str:
        """What trains or tests as a whole: the picture, or the wording where there is no picture."""
        # No path holds a null character, so that no wording can be taken for a picture.
        return self.image or f"{self.subject}\0{self.question}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a record."""

    kind: ProblemKind
    message: str


def short(text: str, limit: int = 80) -> str:
    """A quoted text that fits on a line and on every terminal: long ones are cut, unprintable characters escaped."""
    cut = text if len(text) <= limit else text[:limit] + "..."
    return repr(cut)


def entity_of(image: str) -> Entity:
    """The entity of `.../<Class>/<Entity>/<file>`, a path that `path_problem` finds nothing wrong with."""
    cls, name, _ = image.split("/")[-3:]
    return Entity(cls, name)


def path_problem(image: str) -> str | None:
    """What keeps a picture path from lying below a folder, or from naming a class and an entity. None: nothing."""
    parts = image.split("/")
    if _CONTROL.search(image):
        return "holds a control character or half a surrogate pair"
    if "\\" in image:
        return "holds a backslash; use /"
    if image.startswith("/") or _DRIVE.match(image):
        return "is absolute"
    if ".." in parts:
        return "leaves its folder with .."
    # Three parts below the download folder's name would make that folder a class, or the entity a file.
    if not all(p.strip(" .") for p in parts) or len(parts) < 3 or IMAGE_FOLDER in parts[-3:]:
        return f"is not {IMAGE_FOLDER}/<Class>/<Entity>/<file>"
    return None


def subject_problem(subject: str) -> str | None:
    """What keeps a text from being the key of an entity. None: nothing."""
    if _CONTROL.search(subject):
        return "holds a control character or half a surrogate pair"
    parts = subject.split("/")
    if len(parts) != 2 or not all(part.strip(" .") for part in parts):
        return "is not <Class>/<Entity>"
    return None


def in_words_alone(raw: dict[str, Any]) -> bool:
    """Whether a record as JSON gave it has no picture and names its entity instead."""
    return "image" not in raw and "entity" in raw


def problems(raw: Any) -> list[Problem]:
    """Everything that is wrong with one record as JSON gave it; empty when `parse` takes it."""
    if not isinstance(raw, dict):
        return [Problem("shape", f"is {_type(raw)}, not an object")]
    if in_words_alone(raw):
        return _subject_problems(raw) + _conversation_problems(raw, markers=0)
    return _image_problems(raw) + _conversation_problems(raw, markers=1)


def parse(raw: Any) -> Record:
    """The record. Raises ValueError with the first problem."""
    found = problems(raw)
    if found:
        raise ValueError(found[0].message)
    human, gpt = (turn["value"] for turn in raw["conversations"])
    question = human.replace(IMAGE_MARKER, "").strip()
    if in_words_alone(raw):
        return Record("", question, gpt.strip(), raw["entity"])
    return Record(raw["image"], question, gpt.strip())


def unparse(number: int, record: Record) -> dict[str, Any]:
    """The record in the official layout, so that `parse` gives it back."""
    human, gpt = _SPEAKERS
    question = f"{IMAGE_MARKER}\n{record.question}" if record.image else record.question
    turns = [{"from": human, "value": question}, {"from": gpt, "value": record.truth}]
    about = {"image": record.image} if record.image else {"entity": record.subject}
    return {"id": str(number), **about, "conversations": turns}


def _type(value: Any) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"


def _has(raw: dict[str, Any]) -> str:
    """The keys that a record or a turn of another layout has in the place of ours."""
    return f" (it has {', '.join(map(short, list(raw)[:8]))})" if raw else ""


def _image_problems(raw: dict[str, Any]) -> list[Problem]:
    if "image" not in raw:
        return [Problem("shape", f"has no 'image'{_has(raw)}")]
    image = raw["image"]
    if not isinstance(image, str):
        return [Problem("shape", f"'image' is {_type(image)}, not a text")]
    wrong = path_problem(image)
    if wrong is None:
        return []
    return [Problem("path", f"picture path {short(image)} {wrong}")]


def _subject_problems(raw: dict[str, Any]) -> list[Problem]:
    subject = raw["entity"]
    if not isinstance(subject, str):
        return [Problem("shape", f"'entity' is {_type(subject)}, not a text")]
    wrong = subject_problem(subject)
    if wrong is None:
        return []
    return [Problem("path", f"entity {short(subject)} {wrong}")]


def _conversation_problems(raw: dict[str, Any], *, markers: int) -> list[Problem]:
    """`markers` is how many pictures the question must have a marker for."""
    if "conversations" not in raw:
        return [Problem("shape", f"has no 'conversations'{_has(raw)}")]
    turns = raw["conversations"]
    if not isinstance(turns, list):
        return [Problem("shape", f"'conversations' is {_type(turns)}, not a list")]
    if len(turns) != len(_SPEAKERS):
        return [
            Problem("shape", f"'conversations' has {len(turns)} turns, not one human and one gpt")
        ]
    found: list[Problem] = []
    for speaker, turn in zip(_SPEAKERS, turns, strict=True):
        # The question has the marker, which says where the picture goes.
        found += _turn_problems(speaker, turn, markers if speaker == "human" else 0)
    return found


def _turn_problems(speaker: str, turn: Any, wanted: int) -> list[Problem]:
    if not isinstance(turn, dict):
        return [Problem("shape", f"the {speaker} turn is {_type(turn)}, not an object")]
    found = []
    if turn.get("from") != speaker:
        who = f", but 'from' {short(str(turn['from']))}" if "from" in turn else _has(turn)
        found.append(Problem("shape", f"the {speaker} turn is not 'from' {speaker!r}{who}"))
    value = turn.get("value")
    if not isinstance(value, str):
        message = f"'value' of the {speaker} turn is {_type(value)}, not a text"
        return [*found, Problem("shape", message)]
    is_question = speaker == "human"
    markers = value.count(IMAGE_MARKER)
    if markers != wanted:
        message = f"the {speaker} turn holds {markers} {IMAGE_MARKER} markers, not {wanted}"
        found.append(Problem("marker", message))
    if not value.replace(IMAGE_MARKER, "").strip():
        found.append(Problem("text", f"the {'question' if is_question else 'answer'} is empty"))
    if _SURROGATE.search(value):
        message = f"the {speaker} turn holds half a surrogate pair, so it is no Unicode text"
        found.append(Problem("text", message))
    return found
