"""What `mlubench judge agreement` tells, as typed rows: studies fill them, reports draw them, --json prints them."""

from typing import TypedDict

from mlubench.statistics.agreement import Agreement
from mlubench.statistics.bootstrap import Interval
from mlubench.types import Metric


class AgreementByMetric(Agreement):
    """Agreement on all answers, and on those of each metric."""

    by_metric: dict[Metric, Agreement]


class Ranking(TypedDict):
    """How alike two judges rank the methods."""

    # `method`, and under each judge's name the method's mean score by it, 0 to 1.
    methods: list[dict[str, str | float]]
    # -1 to 1; None where fewer than two methods were judged by both, or one judge ties all of them.
    kendall: float | None
    kendall_ci95: Interval | None
    spearman: float | None


class JudgePair(AgreementByMetric):
    """Two judges of a run."""

    a: str
    b: str
    unscored: int  # answers that at least one of them left unscored
    ranking: dict[Metric, Ranking]


class RunAgreement(TypedDict):
    """Every two judges of a run."""

    run: str
    judges: list[str]
    pairs: list[JudgePair]


class Mistake(TypedDict):
    """A shipped answer that a judge scores otherwise than its label says."""

    half: str
    metric: str
    kind: str
    label: int
    score: int
    question: str
    truth: str
    response: str
    why: str


class ShippedAgreement(TypedDict):
    """A judge against the labelled answers that ship with the project."""

    a: str
    b: str
    unscored: int
    halves: dict[str, AgreementByMetric]
    mistakes: list[Mistake]
