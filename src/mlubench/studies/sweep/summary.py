"""A sweep's results in one table: each combination other than the seed, with mean and interval over its seeds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mlubench.core.files import canonical
from mlubench.runs.results import Results, SummaryRow
from mlubench.statistics.intervals import mean_over_seeds
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric

SEED = "seed"
MEASURES = ("final", "cells_mean", "stability")


@dataclass
class _Group:
    """What the seeds of one combination, method, judge and metric measured; None where a run could not say."""

    head: dict[str, Any]
    seeds: list[int] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(
        default_factory=lambda: {name: [] for name in MEASURES}
    )


def summarise(runs: Iterable[tuple[dict[str, Any], int, Results]]) -> list[dict[str, Any]]:
    """One row for each (settings other than the seed, method, judge, metric).

    `runs` are (values of the grid, seed, results) of finished runs. A row holds `seeds`, and for `final` (mean over
    tasks after the last), `cells_mean` (mean over all X-UY cells) and `stability` (summed movement; lower is better) the
    mean over seeds, its 95% t-interval (None for one seed: nothing is known of the spread), n and the values by seed. A
    seed whose run left a cell unscored has the value None there and does not count in n.
    """
    groups: dict[bytes, _Group] = {}
    for settings, seed, results in runs:
        rest = {key: value for key, value in settings.items() if key != SEED}
        for row in results.summary:
            for metric in METRICS:
                head = {
                    "settings": rest,
                    "method": row.method,
                    "judge": row.judge,
                    "metric": metric,
                }
                group = groups.setdefault(canonical(head), _Group(head))
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


def _row(group: _Group) -> dict[str, Any]:
    return {
        **group.head,
        "seeds": group.seeds,
        **{name: _measure(group.values[name]) for name in MEASURES},
    }


def _measure(values: list[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    mean, interval = mean_over_seeds(known) if known else (None, None)
    return {"mean": mean, "ci95": interval, "n": len(known), "values": values}
