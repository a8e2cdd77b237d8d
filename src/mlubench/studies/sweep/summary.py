"""A sweep's results in one table: each combination other than the seed, with mean and interval over its seeds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlubench.core.files import canonical
from mlubench.runs.results import Results, SummaryRow
from mlubench.runs.sweeps import SeedsMeasure, SweepSummaryRow
from mlubench.statistics.intervals import mean_over_seeds
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric

SEED = "seed"
MEASURES = ("final", "cells_mean", "stability")


@dataclass
class _Group:
    """What the seeds of one combination, method, judge and metric measured."""

    settings: dict[str, Any]
    method: str
    judge: str
    metric: Metric
    seeds: list[int] = field(default_factory=list)
    # Measure -> its value by seed; None where a run could not say.
    values: dict[str, list[float | None]] = field(
        default_factory=lambda: {name: [] for name in MEASURES}
    )


def summarise(
    runs: Iterable[tuple[Mapping[str, Any], int, Results]],
) -> list[SweepSummaryRow]:
    """One row for each (settings other than the seed, method, judge, metric).

    `runs` are (values of the grid, seed, results) of finished runs.
    """
    groups: dict[bytes, _Group] = {}
    for settings, seed, results in runs:
        rest = {key: value for key, value in settings.items() if key != SEED}
        for row in results.summary:
            for metric in METRICS:
                # Settings may hold lists, which are no keys of a dictionary; their JSON is.
                key = canonical([rest, row.method, row.judge, metric])
                group = groups.setdefault(key, _Group(rest, row.method, row.judge, metric))
                group.seeds.append(seed)
                for name, values in group.values.items():
                    values.append(_measured(results, row, metric, name))
    return [_row(group) for group in groups.values()]


def _measured(results: Results, row: SummaryRow, metric: Metric, name: str) -> float | None:
    if name == "final":
        return row.final[metric]
    if name == "stability":
        return row.stability[metric]
    return _cells_mean(results, row, metric)


def _cells_mean(results: Results, row: SummaryRow, metric: Metric) -> float | None:
    """The mean over all X-UY cells; None where one has no score."""
    scores = []
    for cell in results.cells:
        if (cell.method, cell.judge, cell.metric) == (row.method, row.judge, metric):
            if cell.score is None:
                return None
            scores.append(cell.score)
    return sum(scores) / len(scores) if scores else None


def _row(group: _Group) -> SweepSummaryRow:
    return {
        "settings": group.settings,
        "method": group.method,
        "judge": group.judge,
        "metric": group.metric,
        "seeds": group.seeds,
        "final": _over_seeds(group.values["final"]),
        "cells_mean": _over_seeds(group.values["cells_mean"]),
        "stability": _over_seeds(group.values["stability"]),
    }


def _over_seeds(values: list[float | None]) -> SeedsMeasure:
    known = [value for value in values if value is not None]
    if not known:
        return {"mean": None, "ci95": None, "n": 0, "values": values}
    mean, interval = mean_over_seeds(known)
    return {"mean": mean, "ci95": interval, "n": len(known), "values": values}
