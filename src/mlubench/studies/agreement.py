"""How far the judges of a run agree with each other and with people, and how rules agree with the shipped labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.judging.labelled import (
    Labelled,
    labelled_answers,
    real_answers,
    references_of,
)
from mlubench.judging.run import make_judge
from mlubench.runs.folder import BASE, AnswerFile, RunDir
from mlubench.runs.rows import read_verdicts
from mlubench.statistics.agreement import Agreement, Pair, agreement, kendall, rounded, spearman
from mlubench.statistics.agreement_rows import (
    AgreementByMetric,
    JudgePair,
    Mistake,
    Ranking,
    RunAgreement,
    ShippedAgreement,
)
from mlubench.statistics.bootstrap import draw_clusters, percentile_interval
from mlubench.statistics.scores import FULL, METRICS
from mlubench.studies.labelling import Item, answered, item_of, labels_of
from mlubench.types import Metric, Verdict

HUMAN = "human"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """One answer of a run with the score that each judge gave it."""

    method: str
    metric: str
    fact: str
    item: str  # what a judge is shown, as a hash: equal answers have equal items
    scores: Mapping[str, int | None]  # by judge; None where it could not be judged


def gather(
    run: RunDir, judges: Sequence[str], labels: Mapping[str, int] | None
) -> list[JudgedAnswer]:
    """Every answer with the scores of all judges named. UsageError where a judge has not judged all cells."""
    answers = []
    for file, rows in answered(run):
        scores_of = {judge: _scores_by_id(run, judge, file) for judge in judges}
        for row in rows:
            item = item_of(row.to_judge())
            scores = {judge: by_id.get(row.id) for judge, by_id in scores_of.items()}
            if labels is not None:
                scores[HUMAN] = labels.get(item)
            answers.append(JudgedAnswer(file.method, row.metric, row.fact, item, scores))
    return answers


def _scores_by_id(run: RunDir, judge: str, file: AnswerFile) -> dict[str, int | None]:
    path = run.verdicts(judge, file.method, file.task, file.after)
    if not path.is_file():
        raise UsageError(
            f"{judge!r} has not judged {file.method}/{file.task}-U{file.after}",
            f"Run `mlubench judge {run.root} --judge {judge}` first.",
        )
    return {verdict.id: verdict.score for verdict in read_verdicts(path)}


def agree(
    run: RunDir, judges: Sequence[str], sheet: Sequence[Item] | None, *, resamples: int
) -> RunAgreement:
    """Agreement of every two judges, and of each with the labels of a sheet.

    An answer that stands in several cells counts once for kappa and as often as it stands there for the ranking.
    """
    names = list(dict.fromkeys(judges or run.judges()))
    labels = labels_of(sheet) if sheet is not None else None
    everyone = names if labels is None else [*names, HUMAN]
    if len(everyone) < 2:
        raise UsageError(
            f"{run.root} has {len(names)} judge(s) to compare: {', '.join(names) or 'none'}",
            "Judge it by another (`mlubench judge RUN --judge NAME`), or give --labels FILE.csv.",
        )
    answers = gather(run, names, labels)
    if labels is not None and all(answer.scores[HUMAN] is None for answer in answers):
        raise MlubenchError(
            "no label of the sheet belongs to an answer of this run",
            "Label some of its answers first.",
        )
    pairs = [_judge_pair(answers, a, b, resamples) for a, b in combinations(everyone, 2)]
    return {"run": str(run.root), "judges": everyone, "pairs": pairs}


def _judge_pair(answers: Sequence[JudgedAnswer], a: str, b: str, resamples: int) -> JudgePair:
    # The last of equal answers stands for all of them.
    distinct = list({answer.item: answer for answer in answers}.values())
    if HUMAN in (a, b):
        # A person scores a sample, so what has no label is no answer left unscored.
        distinct = [answer for answer in distinct if answer.scores[HUMAN] is not None]
    scored: list[tuple[str, Pair]] = []
    for answer in distinct:
        first, second = answer.scores[a], answer.scores[b]
        if first is not None and second is not None:
            scored.append((answer.metric, Pair(answer.fact, first, second)))
    ranking: dict[Metric, Ranking] = {}
    for metric in METRICS:
        of_metric = [answer for answer in answers if answer.metric == metric]
        ranking[metric] = _ranking(of_metric, a, b, resamples)
    return {
        "a": a,
        "b": b,
        "unscored": len(distinct) - len(scored),
        **_by_metric(scored, resamples),
        "ranking": ranking,
    }


def _by_metric(pairs: Sequence[tuple[str, Pair]], resamples: int) -> AgreementByMetric:
    """Agreement on (metric, scores of both) of answers."""
    parts: dict[Metric, Agreement] = {}
    for metric in METRICS:
        of_metric = [pair for other, pair in pairs if other == metric]
        parts[metric] = agreement(of_metric, resamples=resamples)
    whole = agreement([pair for _, pair in pairs], resamples=resamples)
    return {**whole, "by_metric": parts}


def _ranking(answers: Sequence[JudgedAnswer], a: str, b: str, resamples: int) -> Ranking:
    """How alike two judges rank the methods, by each method's mean score over all the answers that both judged."""
    judged = []
    for answer in answers:
        if answer.method != BASE and None not in (answer.scores[a], answer.scores[b]):
            judged.append(answer)
    methods = sorted({answer.method for answer in judged})
    facts = sorted({answer.fact for answer in judged})
    method_index = {method: index for index, method in enumerate(methods)}
    fact_index = {fact: index for index, fact in enumerate(facts)}
    # (facts, methods, 3): the sum of scores by `a`, by `b`, and the largest sum that was possible.
    sums = np.zeros((len(facts), len(methods), 3))
    for answer in judged:
        place = fact_index[answer.fact], method_index[answer.method]
        sums[place] += (answer.scores[a], answer.scores[b], FULL)
    levels = _mean_scores(sums.sum(0))
    rows: list[dict[str, str | float]] = []
    for method, (level_a, level_b) in zip(methods, levels, strict=True):
        rows.append({"method": method, a: round(float(level_a), 6), b: round(float(level_b), 6)})
    if len(methods) < 2:
        return {"methods": rows, "kendall": None, "kendall_ci95": None, "spearman": None}
    return {
        "methods": rows,
        "kendall": rounded(kendall(*levels.T)),
        "kendall_ci95": percentile_interval(_resampled_taus(sums, resamples)),
        "spearman": rounded(spearman(*levels.T)),
    }


def _resampled_taus(sums: Floats, resamples: int) -> list[float | None]:
    """Kendall's tau of each draw of facts in which every method has an answer. `sums` as in `_ranking`."""
    facts, methods, _ = sums.shape
    taus = []
    for counts in draw_clusters(facts, resamples, np.random.default_rng(0)):
        levels = _mean_scores(np.tensordot(counts, sums, 1))
        if len(levels) == methods:
            taus.append(kendall(*levels.T))
    return taus


def _mean_scores(sums: Floats) -> Floats:
    """Mean scores (0-1) by both judges of each method with answers, (methods, 2); `sums` is (methods, 3)."""
    answered = sums[sums[:, 2] > 0]
    means: Floats = answered[:, :2] / answered[:, 2:]
    return means


def agree_with_shipped(judge: str, *, resamples: int) -> ShippedAgreement:
    """A judge against the labelled answers that ship with the project: each half, each metric, and every disagreement.

    The halves of the real benchmark's answers stand apart, as "real development" and "real held-out".
    """
    halves: dict[str, AgreementByMetric] = {}
    mistakes: list[Mistake] = []
    unscored = 0
    for prefix, answers in (("", labelled_answers()), ("real ", real_answers())):
        references = references_of(answers)
        verdicts = make_judge(judge, references).judge([answer.question for answer in answers])
        for half in ("development", "held-out"):
            pairs = []
            for answer, verdict in zip(answers, verdicts, strict=True):
                if answer.half == half and verdict.score is not None:
                    pair = Pair(answer.fact, answer.label, verdict.score)
                    pairs.append((answer.question.metric, pair))
            halves[prefix + half] = _by_metric(pairs, resamples)
        mistakes += _mistakes(prefix, answers, verdicts)
        unscored += sum(verdict.score is None for verdict in verdicts)
    return {"a": HUMAN, "b": judge, "unscored": unscored, "halves": halves, "mistakes": mistakes}


def _mistakes(
    prefix: str, answers: Sequence[Labelled], verdicts: Sequence[Verdict]
) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for answer, verdict in zip(answers, verdicts, strict=True):
        if verdict.score is None or verdict.score == answer.label:
            continue
        question = answer.question
        mistakes.append(
            {
                "half": prefix + answer.half,
                "metric": question.metric,
                "kind": answer.kind,
                "label": answer.label,
                "score": verdict.score,
                "question": question.question,
                "truth": question.truth,
                "response": question.response,
                "why": verdict.why,
            }
        )
    return mistakes
