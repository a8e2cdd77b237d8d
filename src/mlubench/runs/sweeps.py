"""What sweep.json says: the runs of a sweep, and its table, each combination over its seeds."""

from typing import Any, NotRequired, TypedDict

from mlubench.statistics.bootstrap import Interval
from mlubench.types import Metric

# Values of settings by key.path, as a YAML file holds them.
Settings = dict[str, Any]


class SeedsMeasure(TypedDict):
    """One measure over the seeds of a combination."""

    mean: float | None
    ci95: Interval | None  # t-interval; None for one seed: nothing is known of the spread
    n: int  # seeds that have a value
    values: list[float | None]  # by seed; None where the run left a cell unscored


class SweepSummaryRow(TypedDict):
    """One combination, method, judge and metric over its seeds."""

    settings: Settings  # values of the grid, without the seed
    method: str
    judge: str
    metric: Metric
    seeds: list[int]
    final: SeedsMeasure  # the mean over tasks after the last
    cells_mean: SeedsMeasure  # the mean over all X-UY cells
    stability: SeedsMeasure  # summed movement; lower is better


class SweepRunRow(TypedDict):
    """One run of a sweep."""

    name: str  # its folder
    state: str
    seed: int
    settings: Settings  # values of the grid
    error: NotRequired[str]  # of one that failed
    log: NotRequired[str]


class Sweep(TypedDict):
    """The content of sweep.json."""

    file: str
    preset: str
    settings: list[str]  # key.path=value
    grid: dict[str, list[Any]]
    schema_version: int
    stand_ins: bool
    # Whether runs were tested on what they learned from; files from before it could be so lack it.
    published_protocol: NotRequired[bool]
    runs: list[SweepRunRow]
    summary: list[SweepSummaryRow]
