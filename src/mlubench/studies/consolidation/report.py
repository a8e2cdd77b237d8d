"""What a consolidation tells: scores before and after, what forbids the replacement, and what each group became."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from mlubench.lumoe.experts.merge_plan import Group, weight_bytes
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.runs.manifest import ManifestFacts, TrainingRecord
from mlubench.statistics.scores import Score
from mlubench.types import Metric


class MeasuredCell(Score):
    """The score of one task and metric."""

    task: str
    metric: Metric


class Figures(TypedDict):
    """A score as JSON gives it back, so that a report equals the manifest that holds it."""

    score: float | None
    ci95: list[float] | None
    n: int
    unscored: int


class ComparedCell(TypedDict):
    """One task and metric before and after."""

    task: str
    metric: Metric
    before: Figures
    after: Figures
    drop: float | None  # how far the score fell, -1 to 1; None where either has none
    why: str | None  # what forbids the replacement; None where nothing does


class GroupReport(TypedDict, total=False):
    """A merged expert. `relative_error` is of a compressed one, `train` of a distilled one."""

    name: str
    members: dict[str, int]  # with their versions
    carries: list[str]
    rank: int
    bytes_before: int  # of the weights of all members
    bytes: int
    relative_error: float  # of the sum of deltas: the part that was cut off, 0 to 1
    train: TrainingRecord


class ConsolidationReport(TypedDict):
    """What `mlubench experts consolidate` tells."""

    store: str
    plan: dict[str, Any]  # the fields of Plan
    groups: list[GroupReport]
    left_out: dict[str, str]  # expert -> why it was not merged
    adopted: bool
    why: list[str]  # what forbids the replacement
    measured: bool
    cells: list[ComparedCell]


def compare(
    before: Sequence[MeasuredCell], after: Sequence[MeasuredCell], max_drop: float
) -> list[ComparedCell]:
    """Each cell before and after, with what forbids the replacement."""
    rows: list[ComparedCell] = []
    for old, new in zip(before, after, strict=True):
        drop = None
        if old["score"] is not None and new["score"] is not None:
            drop = round(old["score"] - new["score"], 6)
        rows.append(
            {
                "task": new["task"],
                "metric": new["metric"],
                "before": _figures(old),
                "after": _figures(new),
                "drop": drop,
                "why": _what_forbids(old, new, drop, max_drop),
            }
        )
    return rows


def _what_forbids(
    old: MeasuredCell, new: MeasuredCell, drop: float | None, max_drop: float
) -> str | None:
    """An answer that can no longer be judged is no score, and forbids the replacement too."""
    where = f"{new['metric']} of task {new['task']}"
    score_is_lost = new["score"] is None and old["score"] is not None
    if new["unscored"] > old["unscored"] or score_is_lost:
        return f"{where}: {new['unscored']} answers could not be judged, {old['unscored']} before"
    if drop is not None and drop > max_drop:
        scores = f"from {old['score']:.3f} to {new['score']:.3f}"
        return f"{where} falls {scores}, by more than {max_drop:g}"
    return None


def _figures(cell: MeasuredCell) -> Figures:
    return {
        "score": cell["score"],
        "ci95": list(cell["ci95"]) if cell["ci95"] else None,
        "n": cell["n"],
        "unscored": cell["unscored"],
    }


def group_reports(
    store: ExpertStore,
    groups: Sequence[Group],
    adapters: Mapping[str, Path],
    makings: Mapping[str, ManifestFacts],
) -> list[GroupReport]:
    reports = []
    for group in groups:
        report: GroupReport = {
            "name": group.name,
            "members": group.members,
            "carries": group.experts,
            "rank": group.rank,
            "bytes_before": sum(weight_bytes(store.folder(member)) for member in group.members),
            "bytes": weight_bytes(adapters[group.name]),
        }
        making = makings[group.name]
        if "relative_error" in making:
            report["relative_error"] = making["relative_error"]
        if "train" in making:
            report["train"] = making["train"]
        reports.append(report)
    return reports
