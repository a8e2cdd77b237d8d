"""How well and how evenly each method did, and what it cost: level and stability are always shown together."""

from dataclasses import dataclass

from mlubench.report import liveness
from mlubench.report.labels import label
from mlubench.report.score_table import MISSING, duration, number
from mlubench.runs.results import Results
from mlubench.statistics.scores import METRICS


@dataclass(frozen=True, slots=True)
class LevelRow:
    """How well and how evenly a method did, and what it cost; all as shown."""

    label: str
    # Level and stability of each metric in turn, as in the head of the table.
    values: list[str]
    time: str
    memory: str


def level_rows(results: Results) -> list[LevelRow]:
    """Level beside stability for each method and judge, with what the method cost."""
    rows = []
    for summary in results.summary:
        name = label(summary.method)
        if summary.judge and len(results.judges) > 1:
            name += f" ({summary.judge})"
        values = []
        judge = summary.judge or results.judges[0]
        last = results.tasks[-1] if results.tasks else ""
        mark = ""
        if (summary.method, last) in liveness.dead_archives(results, judge):
            mark = liveness.MARK
        for metric in METRICS:
            values.append(number(summary.final.get(metric)) + mark)
            values.append(number(summary.stability.get(metric)))
        memory = MISSING
        if summary.peak_memory_bytes is not None:
            memory = f"{summary.peak_memory_bytes / 2**30:.2f} GiB"
        rows.append(
            LevelRow(
                label=name,
                values=values,
                time=duration(summary.train_seconds) or MISSING,
                memory=memory,
            )
        )
    return rows
