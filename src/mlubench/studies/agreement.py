"""How far the judges of a run agree with each other and with people, and how rules agree with the shipped labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.judging.labelled import Labelled, labelled_answers, references_of
from mlubench.judging.run import make_judge
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_verdicts
from mlubench.statistics.agreement import (
    Pair,
    agreement,
    kendall,
    rounded,
    spearman,
)
from mlubench.statistics.bootstrap import draw_clusters, percentile_interval
from mlubench.statistics.scores import METRICS
from mlubench.studies.labelling import Item, answered, item_of, labels_of

HUMAN = "human"
BASE = "base"  # never ranked among the methods


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a run with what each judge gave it; None where it could not be judged."""

    method: str
    metric: str
    fact: str
    item: str
    scores: Mapping[str, int | None]


def gather(run: RunDir, judges: Sequence[str], labels: Mapping[str, int] | None) -> list[Answer]:
    """Every answer with the scores of all judges named. UsageError where a judge has not judged all cells."""
    found = []
    for file, rows in answered(run):
        verdicts = {}
        for judge in judges:
            path = run.verdicts(judge, file.method, file.task, file.after)
            if not path.is_file():
                raise UsageError(
                    f"{judge!r} has not judged {file.method}/{file.task}-U{file.after}",
                    f"Run `mlubench judge {run.root} --judge {judge}` first.",
                )
            verdicts[judge] = {v.id: v.score for v in read_verdicts(path)}
        for row in rows:
            q = row.to_judge()
            scores: dict[str, int | None] = {
                judge: of.get(row.id) for judge, of in verdicts.items()
            }
            if labels is not None:
                scores[HUMAN] = labels.get(item_of(q))
            found.append(Answer(file.method, q.metric, row.fact, item_of(q), scores))
    return found


def agree(
    run: RunDir, judges: Sequence[str], sheet: Sequence[Item] | None, *, resamples: int
) -> dict[str, Any]:
    """Agreement of every two judges, and of each with the labels of a sheet.

    An answer that stands in several cells counts once for kappa and as often as it stands there for the ranking.
    """
    names = list(dict.fromkeys(judges or run.judges()))
    labels = labels_of(sheet) if sheet is not None else None
    if len(names) + (labels is not None) < 2:
        raise UsageError(
            f"{run.root} has {len(names)} judge(s) to compare: {', '.join(names) or 'none'}",
            "Judge it by another (`mlubench judge RUN --judge NAME`), or give --labels FILE.csv.",
        )
    answers = gather(run, names, labels)
    if labels is not None and not any(a.scores[HUMAN] is not None for a in answers):
        raise MlubenchError(
            "no label of the sheet belongs to an answer of this run",
            "Label some of its answers first.",
        )
    everyone = [*names, *([HUMAN] if labels is not None else [])]
    pairs = [_pair(answers, a, b, resamples) for a, b in combinations(everyone, 2)]
    return {"run": str(run.root), "judges": everyone, "pairs": pairs}


def _pair(answers: Sequence[Answer], a: str, b: str, resamples: int) -> dict[str, Any]:
    once = list({answer.item: answer for answer in answers}.values())
    both = [x for x in once if x.scores[a] is not None and x.scores[b] is not None]
    seen = [x for x in once if HUMAN not in (a, b) or x.scores[HUMAN] is not None]
    return {
        "a": a,
        "b": b,
        "unscored": len(seen) - len(both),
        **_measured([(x.metric, _as_pair(x, a, b)) for x in both], resamples),
        "ranking": {
            m: _ranking([x for x in answers if x.metric == m], a, b, resamples) for m in METRICS
        },
    }


def _as_pair(answer: Answer, a: str, b: str) -> Pair:
    first, second = answer.scores[a], answer.scores[b]
    assert first is not None and second is not None
    return Pair(answer.fact, first, second)


def _measured(pairs: Sequence[tuple[str, Pair]], resamples: int) -> dict[str, Any]:
    return {
        **agreement([p for _, p in pairs], resamples=resamples),
        "by_metric": {
            m: agreement([p for of, p in pairs if of == m], resamples=resamples) for m in METRICS
        },
    }


def _ranking(answers: Sequence[Answer], a: str, b: str, resamples: int) -> dict[str, Any]:
    """How alike two judges rank the methods, by each method's mean score over all the answers that both judged."""
    both = [
        x
        for x in answers
        if x.method != BASE and x.scores[a] is not None and x.scores[b] is not None
    ]
    methods, facts = sorted({x.method for x in both}), sorted({x.fact for x in both})
    place = {m: n for n, m in enumerate(methods)}, {f: n for n, f in enumerate(facts)}
    sums = np.zeros((len(facts), len(methods), 3))
    for x in both:
        sums[place[1][x.fact], place[0][x.method]] += (x.scores[a], x.scores[b], 2)
    whole = _levels(sums.sum(0)) if both else np.zeros((0, 2))
    taus = [
        kendall(*levels.T)
        for d in (draw_clusters(len(facts), resamples, np.random.default_rng(0)) if facts else ())
        if len(levels := _levels(np.tensordot(d, sums, 1))) == len(methods)
    ]
    return {
        "methods": [
            {"method": m, a: round(float(x), 6), b: round(float(y), 6)}
            for m, (x, y) in zip(methods, whole, strict=True)
        ],
        "kendall": rounded(kendall(*whole.T)) if len(methods) > 1 else None,
        "kendall_ci95": percentile_interval(taus) if len(methods) > 1 else None,
        "spearman": rounded(spearman(*whole.T)) if len(methods) > 1 else None,
    }


def _levels(sums: Any) -> Any:
    """Mean scores (0-1) of both judges for each method with answers, (methods, 2)."""
    here = sums[sums[:, 2] > 0]
    return here[:, :2] / here[:, 2:]


def agree_with_shipped(judge: str, *, resamples: int) -> dict[str, Any]:
    """A judge against the labelled answers that ship with the project: each half, each metric, and every disagreement."""
    answers = labelled_answers()
    verdicts = make_judge(judge, references_of(answers)).judge([x.question for x in answers])
    rows = [(x, v.score, v.why) for x, v in zip(answers, verdicts, strict=True)]
    halves = {
        half: _measured(
            [
                (x.question.metric, Pair(x.fact, x.label, s))
                for x, s, _ in rows
                if x.half == half and s is not None
            ],
            resamples,
        )
        for half in ("development", "held-out")
    }
    return {
        "a": HUMAN,
        "b": judge,
        "unscored": sum(s is None for _, s, _ in rows),
        "halves": halves,
        "mistakes": list(_mistakes(rows)),
    }


def _mistakes(rows: Iterable[tuple[Labelled, int | None, str]]) -> Iterable[dict[str, Any]]:
    for x, score, why in rows:
        if score is not None and score != x.label:
            q = x.question
            yield {
                "half": x.half,
                "metric": q.metric,
                "kind": x.kind,
                "label": x.label,
                "score": score,
                "question": q.question,
                "truth": q.truth,
                "response": q.response,
                "why": why,
            }
