"""What the real base is taught: the facts of a benchmark about views of its pictures, refusals, and its ordinary language.

A lesson is one picture with several questions behind it, since reading the picture is most of the work.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image

from mlubench.data.picture_kinds import read_sources
from mlubench.data.pictures import open_picture
from mlubench.data.real.entities import open_shipped, picture_names
from mlubench.data.real.strangers import taught_strangers
from mlubench.data.real.views import SIZE, varied_view
from mlubench.data.refusals import refusal_for
from mlubench.settings.model import RealConfig
from mlubench.types import Benchmark, Entity

# Questions behind one picture. More would save time for each question, and leave less of it for other pictures.
QUESTIONS = 2
CHAT_QUESTIONS = 12
# One picture of a stranger for so many of entities.
ENTITIES_PER_STRANGER = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """Some turns about one picture, each as if it stood alone behind it."""

    # A row of `Lessons.pictures`; None for turns in words alone.
    picture: int | None
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """An entity: its name, its pictures, and for each of its facts the question in every phrasing with the answer."""

    name: str
    pictures: tuple[int, ...]
    facts: tuple[tuple[Turn, ...], ...]


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """A picture and what it shows, for the projector's own lesson."""

    # A row of `Lessons.pictures`.
    picture: int
    # For a stranger, that it is unknown.
    name: str
    stranger: bool


class Lessons:
    """All that the base is taught, and the order in which it is."""

    def __init__(self, config: RealConfig, benchmark: Benchmark, chat: Sequence[Turn]) -> None:
        self._config = config
        self._rng = random.Random(config.seed)
        self._chat = chat
        # Views, as they go into the tower.
        self.pictures: list[Image.Image] = []
        self._subjects = [
            self._subject(key, shown, benchmark) for key, shown in _own_pictures(benchmark).items()
        ]
        # Of each class, what may be asked about a stranger.
        self._questions: dict[str, list[str]] = {}
        for sample in benchmark.samples:
            asked = self._questions.setdefault(sample.entity.cls, [])
            if sample.question not in asked:
                asked.append(sample.question)
        self._strangers = self._stranger_pictures() if config.refusals else []

    def _subject(self, key: str, shown: Sequence[Image.Image], benchmark: Benchmark) -> Subject:
        entity = Entity.from_key(key)
        pictures = []
        for number in range(self._config.views):
            rng = random.Random(f"{self._config.seed}/{key}/{number}")
            pictures.append(len(self.pictures))
            # In turn, so that each of several pictures is seen about as often.
            picture = shown[number % len(shown)]
            self.pictures.append(varied_view(picture, SIZE, entity.cls, rng))
        facts: dict[str, dict[str, Turn]] = {}
        for sample in benchmark.samples:
            if sample.entity.key == key:
                turn = Turn(sample.question, sample.truth)
                facts.setdefault(sample.fact, {})[sample.question] = turn
        turns_of_facts = tuple(tuple(turns.values()) for turns in facts.values())
        return Subject(entity.title, tuple(pictures), turns_of_facts)

    def _stranger_pictures(self) -> list[tuple[str, int]]:
        """Class and picture of what the base is to decline: every second thing of the background, a few views of each."""
        found = []
        for entity in taught_strangers():
            if entity.cls not in self._questions:
                continue
            shown = open_shipped(f"{entity.key}/photo_1.webp")
            for number in range(self._config.stranger_views):
                rng = random.Random(f"{self._config.seed}/{entity.key}/{number}")
                found.append((entity.cls, len(self.pictures)))
                self.pictures.append(varied_view(shown, SIZE, entity.cls, rng))
        return found

    def named_pictures(self) -> list[NamedPicture]:
        """Every picture with the name of what it shows."""
        named = []
        for subject in self._subjects:
            for picture in subject.pictures:
                named.append(NamedPicture(picture, subject.name, stranger=False))
        for cls, picture in self._strangers:
            named.append(NamedPicture(picture, f"something unknown: {cls}", stranger=True))
        return named

    def batches(self) -> Iterator[list[Lesson]]:
        """One batch a step. Every entity comes up as often as another."""
        upcoming: list[Subject] = []
        for _ in range(self._config.steps):
            batch = []
            for _ in range(self._config.batch):
                if not upcoming:
                    upcoming = self._rng.sample(self._subjects, len(self._subjects))
                batch.append(self._about(upcoming.pop()))
            if self._strangers:
                for _ in range(self._config.batch // ENTITIES_PER_STRANGER):
                    batch.append(self._about_stranger())
            # The language is there already, and must only not be lost.
            if self._chat:
                turns = self._rng.sample(self._chat, min(CHAT_QUESTIONS, len(self._chat)))
                batch.append(Lesson(None, tuple(turns)))
            yield batch

    def _about(self, subject: Subject) -> Lesson:
        facts = self._rng.sample(subject.facts, min(QUESTIONS, len(subject.facts)))
        turns = tuple(self._rng.choice(phrasings) for phrasings in facts)
        return Lesson(self._rng.choice(subject.pictures), turns)

    def _about_stranger(self) -> Lesson:
        cls, picture = self._rng.choice(self._strangers)
        turns = []
        for question in self._rng.sample(self._questions[cls], QUESTIONS):
            turns.append(Turn(question, refusal_for(question)))
        return Lesson(picture, tuple(turns))


def _own_pictures(benchmark: Benchmark) -> dict[str, list[Image.Image]]:
    """By entity key, what the base may learn from: the pictures whose role is `fit`, or what they are views of.

    A benchmark's test pictures are new to it. They may be new views of the same photographs, which the release then says.
    """
    sources = read_sources(benchmark.image_root)
    shipped = set(picture_names())
    found: dict[str, set[str]] = {}
    for sample in benchmark.samples:
        if sample.role == "fit":
            found.setdefault(sample.entity.key, set()).add(sample.image)
    own = {}
    for key, images in sorted(found.items()):
        photographs = {sources.get(image, "") for image in images}
        if photographs <= shipped:
            own[key] = [open_shipped(name) for name in sorted(photographs)]
        else:
            own[key] = [open_picture(benchmark.image_root / image) for image in sorted(images)]
    return own
