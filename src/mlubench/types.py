"""The words of the field: what every other module talks about."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from mlubench.core.spelling import path_below

Split = Literal["forget", "retain"]
Metric = Literal["forget_quality", "utility"]
Role = Literal["fit", "calibrate", "test", "all"]
# Whether what trains and what tests are kept apart, or are the same records, as was published.
ProtocolName = Literal["held-out", "published"]
Part = Literal["vision", "projector", "language"]  # of a model; `vision` is its tower
# What a method may change; here `vision` is the tower and the projector.
Scope = Literal["language", "projector", "vision", "all"]  # what may change of a model

# `vision` holds the projector too, as in the paper's ablation.
PARTS_OF_SCOPE: dict[Scope, tuple[Part, ...]] = {
    "language": ("language",),
    "projector": ("projector",),
    "vision": ("vision", "projector"),
    "all": ("vision", "projector", "language"),
}

# What methods are held against, besides the base: LUMoE's gate without any expert, the base told what to decline, and the
# base behind a gate that nothing was trained for.
Reference = Literal["gate-only", "prompt-only", "training-free"]

# Where things come from that are in no task.
Background = Literal["", "drawn", "real"]

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
    """One (picture, question, true answer). A sample in words alone has no picture, and its question stands in for one.

    `fact` is shared by all samples that ask for one answer about one entity, in any phrasing and on any picture.
    `phrasing` counts the fact's distinct questions from 0; the first is the one that unlearning trains on.
    `role` says what the picture is for: `fit` trains experts and gates, `calibrate` serves gates too and decides what
    the base knows, `test` is only ever tested on. Under the published protocol it is `all`.
    """

    id: str
    task: str
    split: Split
    entity: Entity
    image: str  # the picture's path; "" where the question is asked in words alone
    question: str
    truth: str
    fact: str
    phrasing: int
    role: Role
    # `same-photo` or `other-photo`, where the release says so.
    picture_kind: str = ""

    @property
    def trains(self) -> bool:
        """Whether experts and methods may learn from it."""
        return self.role in ("fit", "all")

    @property
    def calibrates(self) -> bool:
        """Whether it sets thresholds, and tells what the base knows."""
        return self.role in ("calibrate", "all")

    @property
    def only_tests(self) -> bool:
        """Whether nothing may learn from it, no gate either."""
        return self.role == "test"

    @property
    def tests(self) -> bool:
        """Whether scores are measured on it."""
        return self.role in ("test", "all")


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
    """Tasks in their official order. `picture` gives the file of a sample's picture, which lies below `image_root`.

    It is None for a sample in words alone.
    """

    tasks: tuple[Task, ...]
    image_root: Path
    stand_ins: bool
    digest: str
    # Where pictures of other things come from, which nobody asked to forget: `data.background` opens them. "": nowhere.
    background: Background = ""

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def task(self, name: str) -> Task:
        return next(t for t in self.tasks if t.name == name)

    @property
    def samples(self) -> list[Sample]:
        return [s for t in self.tasks for s in t.samples]

    def picture(self, sample: Sample) -> Path | None:
        return path_below(self.image_root, sample.image) if sample.image else None

    def pictures(self, samples: Iterable[Sample]) -> list[Path]:
        """The distinct files of their pictures, sorted."""
        found = {self.picture(sample) for sample in samples}
        return sorted(path for path in found if path is not None)


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
    # Keys of the entities that are near enough for the second look, whether or not they were near enough to be routed.
    suspects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Why an answer was replaced before it left, and who answered instead.

    It repeats nothing of the forgotten fact, but for the draft, which a run keeps and nobody who asks is shown.
    """

    tells: Literal["fact", "name"]  # what of the entity the draft tells
    entity: str  # its key
    experts: tuple[str, ...]  # those that answered instead; none: the fixed refusal
    why: str
    draft: str = ""  # what would have been said


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer of a model: a line of RUN/answers/<method>/X-UY.jsonl, whose keys are these fields in this order.

    `runs.rows` reads and writes it. Everything that handles answers, from generation to score, handles this type.
    """

    id: str  # of the sample; a file has one line a sample
    split: Split
    task: str
    image: str  # as in Sample: below the folder of pictures; "" where there is none
    entity: str  # its key, `class/name`
    question: str
    truth: str
    response: str  # what the model said
    fact: str
    phrasing: int
    route: Route | None  # None for a method without a gate
    # How probable the truth is to the model that answered (0-1). None where no model answered, as where a failed gate
    # refused. The line holds this key only if the run measures it.
    truth_probability: float | None = None
    picture_kind: str = ""  # as in Sample; the line holds this key only where it is known
    # The line holds this key only where the answer was replaced.
    second_look: SecondLook | None = None
    probability_measured: bool = False  # no key of the line: whether it holds `truth_probability`

    @classmethod
    def of(cls, sample: Sample, response: str, route: Route | None = None) -> "AnswerRow":
        """The answer to a sample, without what was measured beside it."""
        return cls(
            id=sample.id,
            split=sample.split,
            task=sample.task,
            image=sample.image,
            entity=sample.entity.key,
            question=sample.question,
            truth=sample.truth,
            response=response,
            fact=sample.fact,
            phrasing=sample.phrasing,
            route=route,
            picture_kind=sample.picture_kind,
        )

    @property
    def metric(self) -> Metric:
        return METRIC_OF[self.split]

    @property
    def cls(self) -> str:
        return Entity.from_key(self.entity).cls

    def to_judge(self) -> "Question":
        """What a judge is shown of this answer."""
        return Question(self.metric, self.entity, self.question, self.truth, self.response)


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
    # Of a model that judged: its name and fingerprint.
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One verdict on an answer: a line of RUN/verdicts/<judge>/<method>/X-UY.jsonl, whose keys are these fields."""

    id: str  # of the sample, as in the line of answers
    metric: Metric
    score: Literal[0, 1, 2] | None
    why: str
    facts: Mapping[str, str] = field(
        default_factory=dict, hash=False
    )  # no key where there are none


class Judge(Protocol):
    """Says how good answers are. Verdicts come in the order of the questions."""

    name: str

    @property
    def version(self) -> str | None:
        """Changes with everything that verdicts depend on, so that a run never mixes those of two versions.

        None: there is but one version, and verdicts that lie there are kept. Then the run holds no file that names it.
        """

    def judge(self, questions: list[Question]) -> list[Verdict]: ...


@runtime_checkable
class AskingJudge(Protocol):
    """What a judge has besides if it asks a model, which takes time and may cost money.

    It is given the answers of all cells at once, since it asks many questions side by side and equal ones once.
    """

    # Called with (answered, of) after each group of replies. A progress bar puts itself here.
    watch: Callable[[int, int], None] | None

    def check(self) -> None:
        """Raises UsageError where the model could answer nothing: a missing key, a wrong address."""
        ...

    def notices(self) -> list[str]:
        """What a user should know of the model before paying for it, one line each."""
        ...

    def account(self) -> str:
        """What was spent so far, in words."""
        ...

    def forecast(
        self, questions: Sequence[Question], *, batch: bool
    ) -> Mapping[str, int | float | None]:
        """What judging these would take, by name. `calls`, how many requests it would make, is always there."""
        ...


class Cell(Protocol):
    """One X-UY score: `task` tested after unlearning up to `after`. `runs.results.CellRow` is how it is written."""

    @property
    def task(self) -> str: ...

    @property
    def after(self) -> str: ...

    @property
    def metric(self) -> str: ...

    @property
    def score(self) -> float | None:
        """0 to 1; None where no answer could be judged."""
