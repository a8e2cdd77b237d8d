"""The facts of all requests so far, by their key words. One task more costs what it brings, and seldom more.

How much a word says depends on how many truths of its class hold it. So that a request does not change every fact before
it, that is counted anew only when a class has grown by a quarter. On the average over many requests each fact is then
weighed five times, and what comes of it depends on the tasks and their order alone.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlubench.judging.rules.expected import ExpectedAnswers
from mlubench.lumoe.second_look.fact_index import FactIndex
from mlubench.lumoe.second_look.kept_texts import KeptTexts
from mlubench.lumoe.second_look.keys import (
    FEWEST_SHARP,
    AskedFact,
    ForgottenFact,
    asks_for_the_name,
    key_words,
    words_of,
)
from mlubench.types import Entity, Task

# A class's words are counted anew when it has so many times as many truths.
GROWTH = 1.25


@dataclass(slots=True, eq=False)
class _Class:
    """What is known of a class of things."""

    # All truths that were told of it, in the order in which they came.
    truths: dict[str, None] = field(default_factory=dict)
    # Its facts that are to be forgotten, by entity.
    asked: dict[str, list[AskedFact]] = field(default_factory=dict)
    # How many of the truths the words were counted in, and what was found.
    counted: int = 0
    expected_answers: ExpectedAnswers = field(default_factory=ExpectedAnswers)


class ForgottenFacts:
    """The facts of the tasks' forget sets, each once, by samples that are not tested on."""

    def __init__(self) -> None:
        # By the key of an entity that is to be forgotten.
        self.of: dict[str, list[ForgottenFact]] = {}
        # Those of which the name is such a fact.
        self.named: set[str] = set()
        # The keys of all entities of the tasks so far.
        self.met: set[str] = set()
        self._classes: dict[str, _Class] = defaultdict(_Class)
        self._kept = KeptTexts()
        # The facts that stand alone.
        self._alone = FactIndex()

    def take(self, tasks: Sequence[Task]) -> set[str]:
        """Take in tasks of which no entity is known yet. Returns the entities whose facts are new or may have changed."""
        requested = {sample.entity for task in tasks for sample in task.forget}
        changed: set[str] = set()
        for task in tasks:
            for sample in task.retain:
                # What an earlier task kept may have to go by now.
                if not sample.only_tests and sample.entity not in requested:
                    changed |= self._keep(sample.truth)
        for cls in self._count(tasks):
            changed |= self._classes[cls].asked.keys()
        for entity, asked in _asked(tasks).items():
            self._classes[entity.cls].asked[entity.key] = asked
            changed.add(entity.key)
        for key in sorted(changed):
            self._weigh(Entity.from_key(key))
        self.met |= {sample.entity.key for task in tasks for sample in task.samples}
        return changed

    def _keep(self, truth: str) -> set[str]:
        """Entities of which this truth tells a fact that stood alone so far."""
        words = words_of(truth)
        return self._alone.told(words) if self._kept.add(words) else set()

    def _count(self, tasks: Sequence[Task]) -> set[str]:
        """Take in the truths of tasks. Returns the classes whose words are counted anew."""
        grown = set()
        for task in tasks:
            truths = {(sample.entity.cls, sample.truth) for sample in task.samples}
            for cls, truth in sorted(truths):
                self._classes[cls].truths[truth] = None
            for cls in sorted({cls for cls, _ in truths}):
                known = self._classes[cls]
                if len(known.truths) >= GROWTH * known.counted:
                    known.counted = len(known.truths)
                    grown.add(cls)
        for cls in grown:
            known = self._classes[cls]
            counted = list(known.truths)[: known.counted]
            known.expected_answers = ExpectedAnswers((cls, truth) for truth in counted)
        return grown

    def _weigh(self, entity: Entity) -> None:
        """Find anew by which words the facts of an entity are known, and whether they stand alone."""
        of_class = self._classes[entity.cls]
        found: dict[frozenset[tuple[str, float]], ForgottenFact] = {}
        for asked in of_class.asked[entity.key]:
            known_by = key_words(asked, of_class.expected_answers)
            if known_by is None:
                if asks_for_the_name(asked, of_class.expected_answers):
                    self.named.add(entity.key)
                continue
            weights = known_by.weights
            stands_alone = known_by.sharp >= FEWEST_SHARP and not self._kept.tell(weights)
            found[frozenset(weights.items())] = ForgottenFact(entity.key, weights, stands_alone)
        self._alone.remove(entity.key)
        self.of[entity.key] = list(found.values())
        for fact in self.of[entity.key]:
            if fact.stands_alone:
                self._alone.add(entity.key, fact.weights)


def _asked(tasks: Sequence[Task]) -> dict[Entity, list[AskedFact]]:
    """The facts of what is to be forgotten, by entity, as they are asked for by samples that are not tested on."""
    questions: dict[tuple[Entity, str, str], set[str]] = defaultdict(set)
    for task in tasks:
        for sample in task.forget:
            if not sample.only_tests:
                questions[sample.entity, sample.fact, sample.truth].add(sample.question)
    found: dict[Entity, list[AskedFact]] = defaultdict(list)
    for (entity, _, truth), asked in sorted(questions.items()):
        found[entity].append(AskedFact(entity.key, tuple(sorted(asked)), truth))
    return found
