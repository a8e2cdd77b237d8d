"""The words of the field: what every other module talks about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Split = Literal["forget", "retain"]
Metric = Literal["forget_quality", "utility"]
Role = Literal["fit", "calibrate", "test"]
Part = Literal["vision", "projector", "language"]  # of a model; `vision` is its tower
Scope = Literal[
    "language", "projector", "vision", "all"
]  # what may change; `vision` is tower and projector

# The key of an answer that says how probable its truth is to the model that answered.
PROBABILITY = "truth_probability"
# The metric that a split is scored by: refusal on what must go, correctness on what must stay.
METRIC_OF: dict[Split, Metric] = {"forget": "forget_quality", "retain": "utility"}


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """What a request asks to forget. `cls` and `name` are spelled as in the picture's path."""

    cls: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.cls}/{self.name}"

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    @classmethod
    def from_key(cls, key: str) -> "Entity":
        kind, _, name = key.partition("/")
        return cls(kind, name)


@dataclass(frozen=True, slots=True)
class Sample:
    """One (picture, question, true answer).

    `fact` is shared by all samples that ask for one answer about one entity, in any phrasing and on any picture.
    `phrasing` counts the fact's distinct questions from 0; the first is the one that unlearning trains on.
    `role` says what the picture is for: `fit` trains experts and gates, `calibrate` serves gates too and decides what
    the base knows, `test` is only ever tested on.
    """

    id: str
    task: str
    split: Split
    entity: Entity
    image: str
    question: str
    truth: str
    fact: str
    phrasing: int
    role: Role


@dataclass(frozen=True, slots=True)
class Task:
    """One step of the lifelong sequence: what to forget now, and what must stay."""

    name: str
    forget: tuple[Sample, ...]
    retain: tuple[Sample, ...]

    def split(self, name: Split) -> tuple[Sample, ...]:
        return self.forget if name == "forget" else self.retain

    @property
    def samples(self) -> tuple[Sample, ...]:
        return self.forget + self.retain

    @property
    def forget_entities(self) -> list[Entity]:
        return sorted({s.entity for s in self.forget})


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Tasks in their official order. `image_root` joined with `Sample.image` is the picture's file."""

    tasks: tuple[Task, ...]
    image_root: Path
    stand_ins: bool
    digest: str

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def task(self, name: str) -> Task:
        return next(t for t in self.tasks if t.name == name)

    @property
    def samples(self) -> list[Sample]:
        return [s for t in self.tasks for s in t.samples]

    def picture(self, sample: Sample) -> Path:
        return self.image_root / sample.image


@dataclass(frozen=True, slots=True)
class Route:
    """Where a query goes: the experts to mount (none: the untouched base), and why.

    `failed`: the gate could not say. `refused`: a fixed refusal is the answer, since the gate failed and the base is not to
    answer, or since the experts cannot be added up.
    """

    experts: tuple[str, ...]
    entity: str | None
    score: float
    why: str
    failed: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge is shown. `response` is data to the judge, never an instruction."""

    metric: Metric
    subject: str
    question: str
    truth: str
    response: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """0, 1 or 2, or None when the answer could not be judged: unscored, counted apart, never 0."""

    score: Literal[0, 1, 2] | None
    why: str
    facts: Mapping[str, str] = field(
        default_factory=dict, hash=False
    )  # of a model that judged: name, fingerprint


class Judge(Protocol):
    """Says how good answers are. Verdicts come in the order of the questions."""

    name: str

    def judge(self, questions: list[Question]) -> list[Verdict]: ...


@dataclass(frozen=True, slots=True)
class Cell:
    """One X-UY score: `task` tested after unlearning up to `after`. `ci95` is a bootstrap over facts.

    Whoever judged, `rouge_l` is the answers' mean ROUGE-L to their truths (0-1), and `truth_probability` the mean
    length-normalised probability of the truths to the models that answered (0-1), where a run measures it;
    `truth_probability_missing` answers have none, as a failed gate's refusals, and are left out of it.
    """

    method: str
    task: str
    after: str
    metric: Metric
    score: float | None
    ci95: tuple[float, float] | None
    n: int
    unscored: int
    judge: str
    rouge_l: float | None = None
    truth_probability: float | None = None
    truth_probability_missing: int = 0
