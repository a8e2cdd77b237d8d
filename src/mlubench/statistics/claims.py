"""When a claim holds: a rule that is the same for every claim and was written before the runs were looked at."""

from typing import Literal, TypedDict

from mlubench.statistics.bootstrap import Interval
from mlubench.types import Metric

Outcome = Literal["holds", "does not hold", "cannot be told"]
# A difference of scores (0-1) up to this much does not count: of 40 answers it is two.
MARGIN = 0.05
RULE = (
    f"A claim of a difference holds where its whole 95% interval lies above {MARGIN}, does not hold where the whole "
    "interval lies below, and cannot be told otherwise. A claim of stability holds where the whole interval of the "
    f"movement lies below {MARGIN}. A score of at most {MARGIN} can fall no further, and a method whose every mean is "
    f"within {MARGIN} of the base's has unlearned nothing: neither tells anything. Intervals: a bootstrap over entities "
    "and seeds, crossed; of a single seed they hold no spread over seeds."
)


class ClaimRow(TypedDict):
    """One statistic of one claim in one group of runs."""

    claim: str
    runs: str  # the group: its preset
    method: str  # `baselines`: the mean over those that are compared
    metric: Metric
    statistic: str
    value: float | None  # -1 to 1
    ci95: Interval | None
    seeds: int
    entities: int
    outcome: Outcome
    why: str  # where it cannot be told, or what was left out


class PublishedRow(TypedDict):
    """The same statistic of the paper's figures, where they are published. They have no interval."""

    claim: str
    method: str
    metric: Metric
    value: float
    table: str


class Claims(TypedDict):
    """What `mlubench claims` says."""

    rule: str
    rows: list[ClaimRow]
    published: list[PublishedRow]


def is_more(value: float | None, interval: Interval | None) -> Outcome:
    """Whether a difference is one."""
    if value is None or interval is None:
        return "cannot be told"
    low, high = interval
    if low > MARGIN:
        return "holds"
    return "does not hold" if high < MARGIN else "cannot be told"


def is_still(value: float | None, interval: Interval | None) -> Outcome:
    """Whether a movement is none."""
    opposite: dict[Outcome, Outcome] = {
        "holds": "does not hold",
        "does not hold": "holds",
        "cannot be told": "cannot be told",
    }
    return opposite[is_more(value, interval)]
