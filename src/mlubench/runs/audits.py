"""The one schema of audit.json: `audits.runner` writes it with these types, reports read it with them."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from mlubench.core.files import write_json
from mlubench.core.reading import read_json

SCHEMA_VERSION = 1
# Facts of a system that are shown as told.
MOST_TOLD = 20
Interval = tuple[float, float]


class _Row(BaseModel):
    """Fields stand in the order in which they are written. Keys are only added, never renamed."""

    model_config = ConfigDict(extra="allow", frozen=True)


class AttackFacts(_Row):
    """What an attack is."""

    attack: str
    meaning: str  # what its figures mean, in a sentence
    access: str  # asking, scores or weights: what an attacker needs
    harm: str  # leak, lost or refused: what its rates count


class WayRow(_Row):
    """What one way of an attack got out of a system."""

    system: str
    attack: str
    way: str
    harm: str
    # The share of answers that did harm, above what chance gives, 0 to 1; `ci95` resamples facts.
    rate: float | None
    ci95: Interval | None = None
    n: int  # answers that count
    facts: int
    # The plain share, and the share that comes by chance: rate = (raw - chance) / (1 - chance), and not below 0.
    raw: float | None = None
    chance: float = 0.0
    missed: float | None = None  # the share that reached no expert; None without a gate
    # Queries that got no answer. Of a leak and a refusal they say nothing; what is kept and gets none is lost.
    failed: int = 0
    examples: list[str] = []  # answers that did harm


class AttackRow(_Row):
    """What an attack comes to on a system, over all of its ways."""

    system: str
    attack: str
    harm: str
    average: float | None  # over all answers of ways in which nothing comes by chance
    average_ci95: Interval | None = None
    worst_way: str = ""
    worst: float | None = None  # of the worst way
    worst_ci95: Interval | None = None
    # The share of facts that at least one answer did harm to: an attacker who tries everything.
    any_way: float | None = None
    any_way_ci95: Interval | None = None
    facts: int = 0
    failed: int = 0  # queries that got no answer, over all ways


class ToldRow(_Row):
    """A forgotten fact that a system told, and the first answer that did."""

    system: str
    attack: str
    way: str
    entity: str
    question: str  # the fact's own, without what the attack put around it
    truth: str
    answer: str


class ClassRow(_Row):
    """What all ways of asking did to one class of things, those left out in which something comes by chance."""

    system: str
    harm: str
    cls: str
    rate: float
    ci95: Interval | None = None  # resamples facts
    n: int  # answers
    facts: int


class SpreadRow(_Row):
    """How unequally a system hurts classes."""

    system: str
    harm: str
    most: str  # the class that is hurt most
    most_rate: float
    least: str
    least_rate: float
    classes: int
    facts: int
    p: float  # how often facts that are dealt to classes at random are as far apart


class BoundRow(_Row):
    """A bound that was asked for."""

    bound: str
    # The highest figure that it is about, and whose it is. None where nothing was measured: then it is broken.
    system: str = ""
    attack: str = ""
    figure: float | None
    broken: bool
    # Attacks that it is about and that have no figure, of one system at least.
    unmeasured: list[str] = []


class LmmsEvalRow(_Row):
    """A score that lmms-eval gave a system on one of its tasks, in the task's own unit."""

    system: str
    task: str
    metric: str
    score: float
    stderr: float | None = None
    difference: float | None = None  # from the base's score; None for the base
    higher_is_better: bool | None = None  # None: lmms-eval does not say
    n: int | None = None  # questions
    failed: int = 0  # questions that got no answer, and that lmms-eval scores all the same


class Audit(_Row):
    """A run's audit.json."""

    schema_version: int = SCHEMA_VERSION
    quick: bool = False
    facts: dict[str, int] = {}  # asked about, by kind
    systems: list[str] = []
    # Answers by system that were given before it was made anew, and that are left out.
    outdated: dict[str, int] = {}
    attacks: list[AttackFacts] = []
    summary: list[AttackRow] = []
    ways: list[WayRow] = []
    told: list[ToldRow] = []
    classes: list[ClassRow] = []
    spreads: list[SpreadRow] = []
    bounds: list[BoundRow] = []
    lmms_eval: list[LmmsEvalRow] = []

    def write(self, path: Path) -> None:
        write_json(path, self.as_json())

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def read_audit(path: Path) -> Audit | None:
    """The audit in a file; None where there is none. Raises MlubenchError where it is broken."""
    if not path.is_file():
        return None
    return read_json(path, Audit, "Delete it: `mlubench audit RUN` makes it anew.")
