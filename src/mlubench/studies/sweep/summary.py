"""A sweep's results in one table: each combination other than the seed, with mean and interval over its seeds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mlubench.core.files import canonical
from mlubench.statistics.intervals import mean_over_seeds
from mlubench.statistics.scores import METRICS

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


def summarise(runs: Iterable[tuple[dict[str, Any], int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row for each (settings other than the seed, method, judge, metric).

    `runs` are (values of the grid, seed, results.json) of finished runs. A row holds `seeds`, and for `final` (mean over
    tasks after the last), `cells_mean` (mean over all X-UY cells) and `stability` (summed movement; lower is better) the
    mean over seeds, its 95% t-interval (None for one seed: nothing is known of the spread), n and the values by seed. A
    seed whose run left a cell unscored has the value None there and does not count in n.
    """
    groups: dict[bytes, _Group] = {}
    for settings, seed, results in runs:
        rest = {key: value for key, value in settings.items() if key != SEED}
        for row in results["summary"]:
            for metric in METRICS:
                head = {
                    "settings": rest,
                    "method": row["method"],
                    "judge": row["judge"],
                    "metric": metric,
                }
                group = groups.setdefault(canonical(head), _Group(head))
                group.seeds.append(seed)
                for name, values in group.values.items():
                    mean = name == "cells_mean"
                    values.append(_cells_mean(results, head) if mean else row[name][metric])
    return [_row(group) for group in groups.values()]


def _cells_mean(results: dict[str, Any], head: dict[str, Any]) -> float | None:
    keys = ("method", "judge", "metric")
    scores = [
        cell["score"] for cell in results["cells"] if all(cell[key] == head[key] for key in keys)
    ]
    return sum(scores) / len(scores) if scores and None not in scores else None


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
