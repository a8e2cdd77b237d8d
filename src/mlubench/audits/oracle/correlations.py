"""Whether a metric of the field ranks systems as their closeness to the oracle does."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from mlubench.audits.oracle.metrics import BETTER
from mlubench.runs.folder import BASE
from mlubench.runs.oracles import CorrelationRow, DistanceRow, OracleReport
from mlubench.statistics.agreement import kendall, spearman
from mlubench.statistics.bootstrap import percentile_interval

RESAMPLES = 500
State = tuple[str, str]  # system, after
Pair = tuple[float, float]  # of a state: metric, closeness
# Which rows of distances make a closeness, and what of them; a closeness is high where the system is like the oracle.
CLOSENESS: Mapping[str, tuple[str, ...]] = {
    "same kind of answer": ("forgotten", "kept", "stranger"),
    "same kind, forgotten": ("forgotten",),
    "probabilities": ("forgotten", "kept"),
    "probabilities, forgotten": ("forgotten",),
}


def closeness(distances: Sequence[DistanceRow], name: str) -> dict[State, float]:
    """By system and step. A state without all that it is made of has none."""
    wanted = CLOSENESS[name]
    parts: dict[State, list[float | None]] = defaultdict(list)
    for row in distances:
        if row.about in wanted:
            likeness = row.same_kind
            if name.startswith("probabilities"):
                kl = row.kl_of_most
                parts[row.system, row.after].append(None if kl is None else -kl)
            else:
                parts[row.system, row.after].append(likeness)
    found = {}
    for state, values in parts.items():
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            found[state] = sum(known) / len(known)
    return found


def correlations(reports: Sequence[OracleReport]) -> list[CorrelationRow]:
    """Each metric with each closeness, over all states of these runs that have both.

    The base and a second oracle are no systems that a metric ranks, and are left out.
    """
    rows = []
    for metric, better in BETTER.items():
        for name in CLOSENESS:
            by_system = _pairs(reports, metric, name)
            pairs = [pair for of_system in by_system.values() for pair in of_system]
            rows.append(
                CorrelationRow(
                    metric=metric,
                    better=better,
                    closeness=name,
                    spearman=_rounded(_spearman(pairs)),
                    spearman_ci95=_interval(by_system),
                    kendall=_rounded(kendall(*_columns(pairs))) if pairs else None,
                    n=len(pairs),
                )
            )
    return rows


def _pairs(reports: Sequence[OracleReport], metric: str, name: str) -> dict[str, list[Pair]]:
    """By system: the metric, higher being better, and the closeness of that name, a pair for each state."""
    by_system: dict[str, list[Pair]] = defaultdict(list)
    for report in reports:
        values = _values(report, metric)
        close = closeness(report.distances, name)
        for state in sorted(values.keys() & close.keys()):
            system, _ = state
            if system not in (BASE, report.floor):
                by_system[system].append((values[state], close[state]))
    return by_system


def _values(report: OracleReport, metric: str) -> dict[State, float]:
    sign = 1.0 if BETTER[metric] == "higher" else -1.0
    values = {}
    for row in report.metrics:
        if row.metric == metric and row.value is not None:
            values[row.system, row.after] = sign * row.value
    return values


def _interval(by_system: Mapping[str, Sequence[Pair]]) -> tuple[float, float] | None:
    """Resamples whole systems, whose steps and seeds are no independent evidence."""
    systems = sorted(by_system)
    if len(systems) < 3:
        return None
    rng = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        drawn: list[Pair] = []
        for number in rng.integers(len(systems), size=len(systems)):
            drawn += by_system[systems[number]]
        values.append(_spearman(drawn))
    return percentile_interval(values)


def _spearman(pairs: Sequence[Pair]) -> float | None:
    return spearman(*_columns(pairs)) if pairs else None


def _columns(pairs: Sequence[Pair]) -> tuple[list[float], list[float]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
