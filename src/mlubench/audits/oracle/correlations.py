"""Whether a metric of the field ranks systems as their closeness to the oracle does."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from mlubench.audits.oracle.metrics import BETTER
from mlubench.runs.oracles import CorrelationRow, DistanceRow, MetricRow
from mlubench.statistics.agreement import kendall, spearman
from mlubench.statistics.bootstrap import percentile_interval

RESAMPLES = 500
State = tuple[str, str]  # system, after
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


def correlations(
    distances: Sequence[DistanceRow], metrics: Sequence[MetricRow]
) -> list[CorrelationRow]:
    """Each metric with each closeness, over all states that have both."""
    rows = []
    for name, better in BETTER.items():
        sign = 1.0 if better == "higher" else -1.0
        values = {}
        for row in metrics:
            if row.metric == name and row.value is not None:
                values[row.system, row.after] = sign * row.value
        for closeness_name in CLOSENESS:
            close = closeness(distances, closeness_name)
            states = sorted(set(values) & set(close))
            pairs = [(values[state], close[state]) for state in states]
            rows.append(
                CorrelationRow(
                    metric=name,
                    better=better,
                    closeness=closeness_name,
                    spearman=_rounded(_spearman(pairs)),
                    spearman_ci95=_interval(states, pairs),
                    kendall=_rounded(kendall(*_columns(pairs))) if pairs else None,
                    n=len(pairs),
                )
            )
    return rows


def _interval(
    states: Sequence[State], pairs: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """Resamples whole systems, whose steps are no independent evidence."""
    by_system: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (system, _), pair in zip(states, pairs, strict=True):
        by_system[system].append(pair)
    systems = sorted(by_system)
    if len(systems) < 3:
        return None
    rng = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        drawn: list[tuple[float, float]] = []
        for number in rng.integers(len(systems), size=len(systems)):
            drawn += by_system[systems[number]]
        values.append(_spearman(drawn))
    return percentile_interval(values)


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    return spearman(*_columns(pairs)) if pairs else None


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
