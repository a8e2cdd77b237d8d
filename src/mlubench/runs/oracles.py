"""The one schema of oracle.json: how far each archive is from a model that never learned what it was to forget."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from mlubench.core.files import write_json
from mlubench.core.reading import read_json

SCHEMA_VERSION = 1
Interval = tuple[float, float]


class _Row(BaseModel):
    """Fields stand in the order in which they are written. Keys are only added, never renamed."""

    model_config = ConfigDict(extra="allow", frozen=True)


class DistanceRow(_Row):
    """A system beside the oracle after the same tasks, on one kind of questions."""

    system: str
    after: str
    about: str  # forgotten, kept or stranger
    n: int
    same_text: float  # the share of answers that are the oracle's word for word
    same_kind: float  # the share that is of the oracle's kind: a refusal, the truth, gibberish, or anything else
    same_kind_ci95: Interval | None = None
    refusals: float
    refusals_of_oracle: float
    truths: float  # the share that tells the truth
    truths_of_oracle: float
    # Mean over tokens of the oracle's answers of KL(oracle || system), nats; None where a sentence answers all of them.
    kl: float | None = None
    kl_n: int = 0  # answers that it is measured on
    # Mean log-ratio of other truths to the truth (TOFU's truth ratio, its logarithm); only of forgotten facts.
    truth_ratio: float | None = None
    truth_ratio_of_oracle: float | None = None

    @property
    def kl_of_most(self) -> float | None:
        """`kl`, or None where a sentence gives more than half of the answers: the others are no sample of them."""
        return self.kl if 2 * self.kl_n >= self.n else None


class MetricRow(_Row):
    """What a metric of the field says of a system after some tasks."""

    system: str
    after: str
    metric: str
    value: float | None


class CorrelationRow(_Row):
    """Whether a metric ranks systems as their closeness to the oracle does: 1 the same, -1 the other way round."""

    metric: str
    better: str  # which values of it count as better: higher or lower
    closeness: str
    spearman: float | None
    spearman_ci95: Interval | None = None  # resamples systems
    kendall: float | None = None
    n: int = 0  # systems and steps


class OracleReport(_Row):
    """A run's oracle.json."""

    schema_version: int = SCHEMA_VERSION
    oracles: dict[str, str] = {}  # the oracle of each step, by the folder of the cache
    floor: str = ""  # the system that is a second oracle, of another seed
    distances: list[DistanceRow] = []
    metrics: list[MetricRow] = []
    correlations: list[CorrelationRow] = []

    def write(self, path: Path) -> None:
        write_json(path, self.as_json())

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def read_oracle(path: Path) -> OracleReport | None:
    """The report in a file; None where there is none. Raises MlubenchError where it is broken."""
    if not path.is_file():
        return None
    return read_json(path, OracleReport, "Delete it: `mlubench audit RUN --oracle` makes it anew.")
