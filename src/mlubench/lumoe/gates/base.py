"""The contract of a gate: what it is given, what it must do, and what it may say of itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.endpoint.prices import Spend
from mlubench.lumoe.gates.foreseen import Foreseen
from mlubench.lumoe.gates.replies import Answerer, Replies
from mlubench.lumoe.gates.statement import Statement
from mlubench.models.chat_template import History
from mlubench.models.features import EncoderName, LayerCache
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Route, Task

# Pictures -> their features (N, D), float32 on the CPU. Raises MlubenchError for a picture that cannot be read.
Features = Callable[[Sequence[Path]], Tensor]


@runtime_checkable
class EncodingFeatures(Protocol):
    """Features that also know what other encoders say of pictures."""

    def encoded_by(self, encoder: EncoderName) -> LayerCache:
        """What this encoder says. Raises MlubenchError for a folder that holds none."""
        ...


class NoPicturesError(MlubenchError):
    """A gate that looks at pictures alone has none to learn from: what is to be forgotten is asked in words alone."""


@dataclass(frozen=True, slots=True)
class GateQuery:
    """What a gate may look at. `engine.router` asks a gate about each turn and each picture of a dialogue by itself."""

    # None: the question is asked without a picture.
    image: Path | None
    question: str
    # The truth. The oracle alone reads it, and no query of a real user has it.
    entity: Entity | None = None
    # The turns before the question. The picture is that of the whole dialogue.
    history: History = ()
    # More pictures of the dialogue, in any of its turns.
    further: tuple[Path, ...] = ()

    @property
    def pictures(self) -> tuple[Path, ...]:
        return () if self.image is None else (self.image, *self.further)


class Routing(Protocol):
    """As much of a gate as whoever only asks for routes needs: see `Gate.route`."""

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]: ...


class Gate(Protocol):
    """Says which experts a query needs.

    A gate is made without arguments, then either fitted on all tasks unlearned so far or loaded from a folder. Whoever
    writes a gate of their own may inherit from this class, which gives `local`, `asks_base` and
    `saved_bytes` their usual values.
    """

    # The gate's name in the table of gates, which every report shows.
    name: str

    # True: routing asks no model, so it costs next to nothing and gives the same routes in every process. Such a gate is
    # reported after each task even when another one is configured. False: the gate is an `AskingGate`, its routes are
    # made by one process and taken over by the others, and it is reported only when the settings name it.
    local: ClassVar[bool] = True

    # True: routing asks the base itself, so it is impossible where the base is sharded. There a base answers only when
    # all processes take part, and a gate is asked by one.
    asks_base: ClassVar[bool] = False

    # True: routing waits for somebody else, as for an endpoint, and looks at no features. A server goes on answering
    # meanwhile. It is read only of a gate whose `local` is False.
    elsewhere: ClassVar[bool] = False

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        """Learn what is to be forgotten.

        `tasks` are all tasks unlearned so far, the newest last; a second call replaces what the first one learned.
        Samples with the role `test` must not be used. `benchmark` says where the pictures lie. Raises MlubenchError when
        the samples are too few, NoPicturesError when the gate looks at pictures and what is to be forgotten has none.
        """
        ...

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        """One route for each query, in order. No query has a history or several pictures: the router puts them singly.

        A route without experts leaves the query to the base. A higher `score` means more surely to be forgotten, `why`
        is a line for a person. `suspects` are entities near enough for the second look; a gate may leave them out. A
        single query that the gate cannot place has `failed=True`; MlubenchError says that the whole batch could not be
        placed, and each query is then asked alone. UsageError is for a wrong setting.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all that `route` needs to files in `folder`, which exists and holds the newest expert too.

        File names begin with the gate's name, so that they meet no other file.
        """
        ...

    def load(self, folder: Path) -> None:
        """Read what `save` wrote, so that `route` gives the same routes without a benchmark and without settings.

        Files of earlier versions stay readable: a missing key gets the default of today.
        """
        ...

    @classmethod
    def saved_bytes(cls, foreseen: Foreseen) -> int:
        """About how many bytes `save` writes beyond some kilobytes: for the plan of a run, before anything is fitted."""
        return 0


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """What a gate that asks a model asks with."""

    # The settings of the run. None: there is no run, and what the gate saved counts.
    config: GateConfig | None = None
    # Where replies are kept, so that nothing is asked and paid for twice.
    replies: Replies = field(default_factory=Replies)
    # Asks the untouched base, whatever adapters are mounted on it. None: there is no base at hand.
    ask_base: Answerer | None = None


@runtime_checkable
class AskingGate(Protocol):
    """A gate that asks a model, so its `local` is False."""

    def connect(self, access: ModelAccess) -> None:
        """Take what to ask with. It is called once, before `fit` or `load`.

        Raises UsageError for what is missing: a key, a package, a base.
        """
        ...


@runtime_checkable
class PaidGate(Protocol):
    """A gate whose replies cost money."""

    # The account of all that the gate has asked.
    spend: Spend


@runtime_checkable
class LookingGate(Protocol):
    """A gate that looks at pictures with something else than the features that it is given."""

    def look(self, pictures: Sequence[Path], features: Features) -> None:
        """Look at pictures that queries will be about, which spares `route` the time.

        Raises MlubenchError for a picture that cannot be read.
        """
        ...


@runtime_checkable
class GrowingGate(Protocol):
    """A gate that learns one task more without learning all others anew."""

    def fit_next(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        """As `fit`, by a gate that knows all of these tasks but the last: it costs what the last one brings.

        The gate is then the same, to the last digit, as one that was fitted on all of them. A gate that knows other
        tasks, or cannot tell, is fitted anew.
        """
        ...


@runtime_checkable
class ExtendableGate(Protocol):
    """A gate that learns one task more from what it has saved, where the earlier tasks themselves are not at hand."""

    def extend(
        self, task: Task, benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        """Learn one task more; what the gate knew before stays as it is.

        What the task keeps and the gate has met is left as it was. Raises MlubenchError where the gate cannot: it was
        saved by a version that kept too little, or has met what the task forgets.
        """
        ...


@runtime_checkable
class ReleasingGate(Protocol):
    """A gate to `extend` that can stop keeping what it was made to keep, so that it can learn to forget it."""

    def keeps(self, entity: str) -> bool:
        """Whether the gate was told that the entity (by its key) must stay."""
        ...

    def require_room(self, entity: str, *, has_background: bool) -> None:
        """Raises MlubenchError where the gate could not learn a request about the entity, whatever its pictures.

        `has_background` says whether the benchmark of the request names pictures of other things.
        """
        ...

    def release(
        self, entity: str, benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        """Keep the entity no longer; nothing is done where it was not kept. Raises as `require_room` does.

        `benchmark` says where pictures of other things are from.
        """
        ...


@runtime_checkable
class StatingGate(Protocol):
    """A gate that says beforehand how often it will be wrong."""

    def statement(self) -> Statement | None:
        """What it says; None where it was loaded from a folder that says nothing."""
        ...


@runtime_checkable
class CheckedGate(Protocol):
    """A gate whose settings can be wrong in a way that only a trial shows."""

    def check(self, config: GateConfig) -> None:
        """Try the settings before a run does any work. Raises UsageError when no query could be routed with them."""
        ...


def statement_of(gate: Gate) -> Statement | None:
    """What a gate says beforehand of its errors; None for one that says nothing."""
    return gate.statement() if isinstance(gate, StatingGate) else None
