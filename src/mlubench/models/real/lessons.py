"""What the real base is taught: the facts of a benchmark about views of its pictures, refusals, and its ordinary language.

A lesson is one picture with several questions behind it, since reading the picture is most of the work.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image

from mlubench.data.pictures import open_picture
from mlubench.data.real.entities import open_shipped
from mlubench.data.real.strangers import taught_strangers
from mlubench.data.real.views import draw_view, ground_of
from mlubench.data.refusals import refusal_for
from mlubench.settings.model import RealConfig
from mlubench.types import Benchmark, Entity

# Pixels of a side. The tower's own processor scales it, if it takes another.
VIEW_SIZE = 224
# Questions behind one picture.
QUESTIONS = 4
# Of these, so many where the picture shows a stranger: one refusal is much like the other.
STRANGER_QUESTIONS = 2
CHAT_QUESTIONS = 3
# One picture of a stranger for so many of entities.
ENTITIES_PER_STRANGER = 3


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
    """An entity: its pictures, and for each of its facts the question in every phrasing with the answer."""

    pictures: tuple[int, ...]
    facts: tuple[tuple[Turn, ...], ...]


class Lessons:
    """All that the base is taught, and the order in which it is."""

    def __init__(self, config: RealConfig, benchmark: Benchmark, chat: Sequence[Turn]) -> None:
        self._config = config
        self._rng = random.Random(config.seed)
        self._chat = chat
        # Views, as they go into the tower.
        self.pictures: list[Image.Image] = []
        self._subjects = [
            self._subject(key, paths, benchmark) for key, paths in _fit_pictures(benchmark).items()
        ]
        # Of each class, what may be asked about a stranger.
        self._questions: dict[str, list[str]] = {}
        for sample in benchmark.samples:
            asked = self._questions.setdefault(sample.entity.cls, [])
            if sample.question not in asked:
                asked.append(sample.question)
        self._strangers = self._stranger_pictures() if config.refusals else []

    def _subject(self, key: str, paths: Sequence[str], benchmark: Benchmark) -> Subject:
        pictures = []
        shown = [open_picture(benchmark.image_root / path) for path in paths]
        for number in range(self._config.views):
            rng = random.Random(f"{self._config.seed}/{key}/{number}")
            ground = ground_of(Entity.from_key(key).cls)
            pictures.append(len(self.pictures))
            picture = shown[number % len(shown)]
            self.pictures.append(draw_view(picture, VIEW_SIZE, ground, rng, may_mirror=False))
        facts: dict[str, dict[str, Turn]] = {}
        for sample in benchmark.samples:
            if sample.entity.key == key:
                turn = Turn(sample.question, sample.truth)
                facts.setdefault(sample.fact, {})[sample.question] = turn
        return Subject(tuple(pictures), tuple(tuple(turns.values()) for turns in facts.values()))

    def _stranger_pictures(self) -> list[tuple[str, int]]:
        """Class and picture of what the base is to decline: every second thing of the background, a few views of each."""
        found = []
        for entity in taught_strangers():
            if entity.cls not in self._questions:
                continue
            shown = open_shipped(f"{entity.key}/photo_1.webp")
            for number in range(self._config.stranger_views):
                rng = random.Random(f"{self._config.seed}/{entity.key}/{number}")
                ground = ground_of(entity.cls)
                found.append((entity.cls, len(self.pictures)))
                self.pictures.append(draw_view(shown, VIEW_SIZE, ground, rng, may_mirror=True))
        return found

    def batches(self) -> Iterator[list[Lesson]]:
        """One batch a step. Every entity comes up as often as another."""
        upcoming: list[Subject] = []
        for step in range(self._config.steps):
            batch = []
            for _ in range(self._config.batch):
                if not upcoming:
                    upcoming = self._rng.sample(self._subjects, len(self._subjects))
                batch.append(self._about(upcoming.pop()))
            if self._strangers:
                for _ in range(self._config.batch // ENTITIES_PER_STRANGER):
                    batch.append(self._about_stranger())
            # Now and then: the language is there already, and must only not be lost.
            if self._chat and step % 4 == 0:
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
        for question in self._rng.sample(self._questions[cls], STRANGER_QUESTIONS):
            turns.append(Turn(question, refusal_for(question)))
        return Lesson(picture, tuple(turns))


def _fit_pictures(benchmark: Benchmark) -> dict[str, list[str]]:
    """By entity key, the pictures that the base may learn from. A benchmark's test pictures are new to it."""
    found: dict[str, set[str]] = {}
    for sample in benchmark.samples:
        if sample.role == "fit":
            found.setdefault(sample.entity.key, set()).add(sample.image)
    return {key: sorted(paths) for key, paths in sorted(found.items())}
