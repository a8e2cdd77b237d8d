"""Several seeds of one preset as one set of results, whose intervals hold the spread over entities and seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlubench.runs.results import (
    SCHEMA_VERSION,
    BreakdownRow,
    CellRow,
    EndingRow,
    Results,
    SummaryRow,
)
from mlubench.statistics.crossed import CrossedDraws, Estimate, Floats
from mlubench.statistics.scores import METRICS
from mlubench.studies.claims.groups import Group, Scores, Setting, entities_of
from mlubench.types import Metric

# Splits of the last archive's scores that tell something of a real benchmark.
SPLITS = ("picture", "known before", "class", "phrasing")


@dataclass(frozen=True, slots=True)
class Pooled:
    """The results, drawn and read as those of one run, and the mean over tasks after the last with its interval."""

    results: Results
    finals: dict[tuple[str, Metric], Estimate]  # by method


def pooled(group: Group, setting: Setting, *, resamples: int) -> Pooled:
    """The runs of one setting as one. Scores are means over seeds; peaks of memory are the highest, times the mean."""
    runs = [loaded.results for loaded in group.variants[setting]]
    scores = Scores(group.variants[setting], group.judge, entities_of(group))
    draws = CrossedDraws(len(runs), len(scores.entities), resamples=resamples)
    cells = []
    finals = {}
    for method in scores.methods:
        for metric in METRICS:
            last = []
            for task, after in runs[0].steps():
                by_seed = scores.score(draws, method, metric, task, after)
                if by_seed is None:
                    continue
                estimate = draws.estimate(by_seed)
                same = _same_cells(runs, group.judge, method, metric, task, after)
                cells.append(_cell(same, estimate))
                if after == runs[0].tasks[-1]:
                    last.append(by_seed)
            if last:
                mean: Floats = np.mean(last, axis=0)
                finals[method, metric] = draws.estimate(mean)
    results = Results(
        schema_version=SCHEMA_VERSION,
        run=runs[0].run,
        base=_means([cell for results in runs for cell in results.base], group.judge),
        cells=cells,
        upper_bound=_means([c for results in runs for c in results.upper_bound], group.judge),
        references=_means([c for results in runs for c in results.references], group.judge),
        breakdowns=_splits(runs, group.judge),
        summary=_summaries(runs, scores.methods, group.judge, finals),
        endings=_endings(runs),
    )
    return Pooled(results, finals)


def _same_cells(
    runs: Sequence[Results], judge: str, method: str, metric: Metric, task: str, after: str
) -> list[CellRow]:
    found = [results.scores(judge, metric).get((method, task, after)) for results in runs]
    return [cell for cell in found if cell is not None]


def _cell(same: Sequence[CellRow], estimate: Estimate) -> CellRow:
    first = same[0]
    return CellRow(
        method=first.method,
        task=first.task,
        after=first.after,
        metric=first.metric,
        score=estimate.value,
        ci95=estimate.ci95,
        n=sum(cell.n for cell in same),
        unscored=sum(cell.unscored for cell in same),
        judge=first.judge,
    )


def _means(cells: Sequence[CellRow], judge: str) -> list[CellRow]:
    """Cells of references: the mean over runs, without an interval."""
    together: dict[tuple[str, str, str, str], list[CellRow]] = {}
    for cell in cells:
        if cell.judge == judge:
            key = (cell.method, cell.task, cell.after, cell.metric)
            together.setdefault(key, []).append(cell)
    return [
        _cell(same, Estimate(_mean([c.score for c in same]), None)) for same in together.values()
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 6) if known else None


def _splits(runs: Sequence[Results], judge: str) -> list[BreakdownRow]:
    """Of the last archives, the scores of all runs' answers together, without intervals."""
    together: dict[tuple[str, str, str, str, str], list[BreakdownRow]] = {}
    for results in runs:
        for row in results.breakdowns:
            if row.judge == judge and row.by in SPLITS and row.after == results.tasks[-1]:
                key = (row.method, row.task, row.metric, row.by, row.value)
                together.setdefault(key, []).append(row)
    rows = []
    for same in together.values():
        known = [row for row in same if row.score is not None]
        n = sum(row.n for row in known)
        weighted = sum(row.score * row.n for row in known if row.score is not None)
        score = round(weighted / n, 6) if n else None
        rows.append(same[0].model_copy(update={"score": score, "n": n, "ci95": None}))
    return rows


def _summaries(
    runs: Sequence[Results],
    methods: Sequence[str],
    judge: str,
    finals: dict[tuple[str, Metric], Estimate],
) -> list[SummaryRow]:
    summaries = []
    for method in methods:
        rows = []
        for results in runs:
            rows += [s for s in results.summary if s.method == method and s.judge in (judge, "")]
        memory = [row.peak_memory_bytes for row in rows if row.peak_memory_bytes is not None]
        summaries.append(
            SummaryRow(
                method=method,
                judge=judge,
                stability={m: _mean([row.stability.get(m) for row in rows]) for m in METRICS},
                final={m: finals[method, m].value for m in METRICS if (method, m) in finals},
                train_seconds=_mean([row.train_seconds for row in rows]),
                peak_memory_bytes=max(memory, default=None),
            )
        )
    return summaries


def _mean_of_known(counts: Sequence[int | None]) -> int | None:
    """None where a run does not say."""
    known = [count for count in counts if count is not None]
    return round(sum(known) / len(known)) if len(known) == len(counts) else None


def _endings(runs: Sequence[Results]) -> list[EndingRow]:
    """Means over runs, as whole numbers."""
    together: dict[tuple[str, str], list[EndingRow]] = {}
    for results in runs:
        for row in results.endings:
            together.setdefault((row.method, row.split), []).append(row)
    rows = []
    for same in together.values():
        count = len(same)
        counted = {
            "n": round(sum(row.n for row in same) / count),
            "refusals": round(sum(row.refusals for row in same) / count),
            "claims_ignorance": _mean_of_known([row.claims_ignorance for row in same]),
            "gibberish": round(sum(row.gibberish for row in same) / count),
            "distinct": round(sum(row.distinct for row in same) / count),
        }
        rows.append(same[0].model_copy(update=counted))
    return rows
