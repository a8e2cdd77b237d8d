"""Which facts are attacked: those that the base tells, one test picture each, dealt over tasks and entities."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from mlubench.audits.attack import About, Ask, Target
from mlubench.core.errors import MlubenchError
from mlubench.data.general import GeneralQuestion
from mlubench.data.strangers import Stranger
from mlubench.judging.harm import RIGHT, HarmJudge
from mlubench.types import AnswerRow, Benchmark, Entity, Sample

RIVALS = 5
# Questions that a probe learns from, at most.
LESSONS = 300


@dataclass(frozen=True, slots=True)
class Targets:
    """What a run's systems are asked about."""

    forgotten: tuple[Target, ...]
    kept: tuple[Target, ...]
    strangers: tuple[Target, ...]
    # Kept facts that the base tells, each with other kept truths of its question, the right one first: what whoever
    # trains a probe may know. They name nothing that is forgotten.
    lessons: tuple[Ask, ...] = ()
    general: tuple[Target, ...] = ()

    def about(self, what: About) -> tuple[Target, ...]:
        return self._by_kind()[what]

    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: len(targets) for kind, targets in self._by_kind().items()}

    def _by_kind(self) -> dict[About, tuple[Target, ...]]:
        return {
            "forgotten": self.forgotten,
            "kept": self.kept,
            "stranger": self.strangers,
            "general": self.general,
        }


def choose_targets(
    benchmark: Benchmark,
    base: Iterable[AnswerRow],
    judge: HarmJudge,
    strangers: Sequence[Stranger],
    limit: int,
    general: Sequence[GeneralQuestion] = (),
) -> Targets:
    """At most `limit` of each kind, and all of `general`. A smaller limit gives the first of a larger one.

    `base` are the answers of the untouched base: what it does not tell, nobody can get out. Raises MlubenchError where
    it tells no fact with a picture.
    """
    told = {row.id for row in base if judge.score(row) == RIGHT}
    known = [sample for sample in benchmark.samples if sample.id in told and sample.image]
    forgotten = _one_each([sample for sample in known if sample.split == "forget"])
    kept = _one_each([sample for sample in known if sample.split == "retain"])
    if not forgotten or not kept:
        raise MlubenchError(
            "the base tells no fact that is to go, or none that is to stay, on a tested picture",
            "There is nothing to get out: raise evaluate.limit, or take a base that knows more.",
        )
    maker = _Maker(benchmark, forgotten, kept)
    return Targets(
        forgotten=tuple(maker.target(sample) for sample in forgotten[:limit]),
        kept=tuple(maker.target(sample) for sample in kept[:limit]),
        strangers=tuple(maker.stranger(number, s) for number, s in enumerate(strangers[:limit])),
        lessons=maker.lessons([sample for sample in known if sample.split == "retain"]),
        general=tuple(maker.general(question) for question in general),
    )


class _Maker:
    """Puts beside a sample what attacks build their questions from."""

    def __init__(
        self, benchmark: Benchmark, forgotten: Sequence[Sample], kept: Sequence[Sample]
    ) -> None:
        self.benchmark = benchmark
        self.forgotten = forgotten
        self.kept = kept
        self.forgotten_classes = {
            entity.cls for task in benchmark for entity in task.forget_entities
        }
        self.questions: Mapping[str, dict[str, int]] = defaultdict(dict)
        self.truths: Mapping[str, dict[str, None]] = defaultdict(dict)
        # By entity, the first question and truth of each fact.
        self.facts: Mapping[str, dict[str, tuple[str, str]]] = defaultdict(dict)
        for sample in sorted(benchmark.samples, key=lambda sample: sample.id):
            self.questions[sample.fact][sample.question] = sample.phrasing
            self.truths[sample.question][sample.truth] = None
            facts = self.facts[sample.entity.key]
            facts.setdefault(sample.fact, (sample.question, sample.truth))

    def target(self, sample: Sample) -> Target:
        questions = self.questions[sample.fact]
        others = sorted(set(questions) - {sample.question}, key=lambda text: questions[text])
        beside = _beside(sample, self.kept)
        forgotten = _beside(sample, self.forgotten)
        facts = self.facts[sample.entity.key]
        truths = [truth for truth in self.truths[sample.question] if truth != sample.truth]
        return Target(
            sample=sample,
            picture=self._picture(sample),
            phrasings=(sample.question, *others),
            kept=beside,
            kept_picture=self._picture(beside),
            forgotten_name=forgotten.entity.title,
            forgotten_picture=self._picture(forgotten),
            rivals=tuple(truths[:RIVALS]),
            other_facts=tuple(facts[fact] for fact in sorted(facts) if fact != sample.fact),
            is_neighbour=sample.entity.cls in self.forgotten_classes,
        )

    def lessons(self, samples: Sequence[Sample]) -> tuple[Ask, ...]:
        """A question for each of the first samples, dealt over facts, whose question has another truth among them."""
        truths: Mapping[str, dict[str, None]] = defaultdict(dict)
        by_fact: dict[str, list[Sample]] = defaultdict(list)
        for sample in sorted(samples, key=lambda sample: (sample.phrasing, sample.id)):
            truths[sample.question][sample.truth] = None
            by_fact[sample.fact].append(sample)
        found = []
        for sample in _dealt([by_fact[fact] for fact in sorted(by_fact)]):
            wrong = [truth for truth in truths[sample.question] if truth != sample.truth]
            if wrong:
                candidates = (sample.truth, *wrong[:RIVALS])
                pictures = ((0, self._picture(sample)),)
                found.append(Ask(sample.question, pictures, candidates=candidates))
        return tuple(found[:LESSONS])

    def stranger(self, number: int, stranger: Stranger) -> Target:
        return self._of_no_task(
            number,
            f"stranger-{number}",
            stranger.entity,
            stranger.picture,
            stranger.question,
        )

    def general(self, question: GeneralQuestion) -> Target:
        name = f"{question.ability}-{question.number}"
        return self._of_no_task(
            question.number,
            f"general-{name}",
            Entity(question.ability, name),
            question.picture,
            question.question,
            truth=question.truth,
            rivals=question.others,
        )

    def _of_no_task(
        self,
        number: int,
        name: str,
        entity: Entity,
        picture: Path,
        question: str,
        *,
        truth: str = "",
        rivals: tuple[str, ...] = (),
    ) -> Target:
        sample = Sample(
            id=name,
            task="",
            split="retain",
            entity=entity,
            image="",
            question=question,
            truth=truth,
            fact=entity.key,
            phrasing=0,
            role="test",
        )
        beside = self.kept[number % len(self.kept)]
        forgotten = self.forgotten[number % len(self.forgotten)]
        return Target(
            sample=sample,
            picture=picture,
            phrasings=(question,),
            kept=beside,
            kept_picture=self._picture(beside),
            forgotten_name=forgotten.entity.title,
            forgotten_picture=self._picture(forgotten),
            rivals=rivals,
        )

    def _picture(self, sample: Sample) -> Path:
        path = self.benchmark.picture(sample)
        assert path is not None, "samples in words alone are no targets"
        return path


def _beside(sample: Sample, among: Sequence[Sample]) -> Sample:
    """A sample of another entity, of the same class where there is one."""
    others = [other for other in among if other.entity != sample.entity]
    alike = [other for other in others if other.entity.cls == sample.entity.cls]
    choice = alike or others or list(among)
    # By the sample's own id, so that it does not depend on how many are attacked.
    return choice[sum(sample.id.encode()) % len(choice)]


def _one_each(samples: Iterable[Sample]) -> list[Sample]:
    """One sample for each fact, with its first phrasing where it can be, dealt round tasks and then entities."""
    by_fact: dict[str, Sample] = {}
    for sample in sorted(samples, key=lambda sample: (sample.phrasing, sample.id)):
        by_fact.setdefault(sample.fact, sample)
    by_task: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in sorted(by_fact.values(), key=lambda sample: (sample.task, sample.fact)):
        by_task[sample.task][sample.entity.key].append(sample)
    rounds = [_dealt(list(of_task.values())) for of_task in by_task.values()]
    return _dealt(rounds)


def _dealt(hands: Sequence[Sequence[Sample]]) -> list[Sample]:
    """The first of each hand, then the second of each, and so on."""
    return [sample for sample in chain(*zip_longest(*hands)) if sample is not None]
