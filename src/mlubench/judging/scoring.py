"""Makes results.json of what lies in a run's folder: every cell, stability and level, finer splits, gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import TypedDict

from mlubench.core.files import MANIFEST
from mlubench.core.reading import read_json
from mlubench.judging.endings import endings
from mlubench.judging.harm import HarmJudge, answers_after, harm_judge
from mlubench.judging.rouge import rouge_l
from mlubench.runs.folder import BASE, NOTHING_UNLEARNED, REFERENCES, RunDir
from mlubench.runs.manifest import ManifestFacts, TrainingRecord
from mlubench.runs.named import facts_known_before
from mlubench.runs.opening import Run
from mlubench.runs.results import (
    SCHEMA_VERSION,
    BreakdownRow,
    CellRow,
    ComparisonRow,
    GateRow,
    Results,
    RunFacts,
    SummaryRow,
    TakenInRow,
    read_results,
)
from mlubench.statistics.comparisons import compare
from mlubench.statistics.scores import METRICS, Scored, breakdowns, final_level, score_of, stability
from mlubench.types import AnswerRow, Metric, VerdictRow

GROUPINGS = ("phrasing", "class", "entity", "picture", "known before")
UPPER_BOUND = "lumoe+oracle"
# Breakdowns are many and small, so their intervals are worth fewer resamples than those of cells.
BREAKDOWN_RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer with what a judge said of it."""

    answer: AnswerRow
    verdict: VerdictRow
    # Whether the pretrained model knew the fact, `yes` or `no`; "" where that is not known.
    known_before: str = ""

    def scored(self) -> Scored:
        """The score with what it is grouped by."""
        answer = self.answer
        groups = {
            "phrasing": "seen" if answer.phrasing == 0 else "unseen",
            "class": answer.cls,
            "entity": answer.entity,
        }
        if answer.picture_kind:
            groups["picture"] = answer.picture_kind
        if self.known_before:
            groups["known before"] = self.known_before
        return Scored(answer.fact, self.verdict.score, groups)


def build_results(run: Run, judges: Sequence[str]) -> Results:
    """Read answers and verdicts of every judge and write results.json. Only finished cells are in it."""
    order = run.order
    base: list[CellRow] = []
    cells: list[CellRow] = []
    upper_bound: list[CellRow] = []
    references: list[CellRow] = []
    finer: list[BreakdownRow] = []
    comparisons: list[ComparisonRow] = []
    reference_comparisons: list[ComparisonRow] = []
    summary: list[SummaryRow] = []
    for judge in judges:
        for task in order:
            base += _cells(run, judge, BASE, task, NOTHING_UNLEARNED)
            for after in order:
                upper_bound += _cells(run, judge, UPPER_BOUND, task, after)
        for reference in REFERENCES:
            for task in order:
                for after in order:
                    references += _cells(run, judge, reference, task, after)
        for method in run.config.methods:
            of_method = []
            for task in order:
                for after in order:
                    of_method += _cells(run, judge, method, task, after)
                    finer += _breakdowns(run, judge, method, task, after)
            cells += of_method
            summary.append(_summary(run, method, judge, order, of_method))
        comparisons += _comparisons(run, judge, order, run.config.methods)
        reference_comparisons += _reference_comparisons(run, judge, order)
    results = Results(
        schema_version=SCHEMA_VERSION,
        run=_facts(run),
        base=base,
        cells=cells,
        upper_bound=upper_bound,
        references=references,
        **_taken_in(run),
        breakdowns=finer,
        comparisons=comparisons,
        reference_comparisons=reference_comparisons,
        summary=summary,
        endings=endings(run, order),
        gates=_gates(run, order),
    )
    results.write(run.folder.results)
    return results


def _facts(run: Run) -> RunFacts:
    # Where pictures lie is this machine's own affair, and results are passed on.
    return RunFacts.model_validate(run.facts.model_dump(exclude_unset=True, exclude={"image_root"}))


def judged_answers(
    answers: Sequence[AnswerRow],
    verdicts: Sequence[VerdictRow],
    known_before: Mapping[str, str] | None = None,
) -> dict[Metric, dict[str, Judged]]:
    """Metric -> sample id -> the answer with its verdict. A metric that nothing was judged by is left out.

    `known_before` has `yes` or `no` by fact.
    """
    marks = known_before or {}
    by_id = {row.id: row for row in answers}
    found: dict[Metric, dict[str, Judged]] = {}
    for metric in METRICS:
        rows = {}
        for verdict in verdicts:
            if verdict.metric == metric and verdict.id in by_id:
                answer = by_id[verdict.id]
                rows[verdict.id] = Judged(answer, verdict, marks.get(answer.fact, ""))
        if rows:
            found[metric] = rows
    return found


def _judged(
    run: Run, judge: str, method: str, task: str, after: str
) -> dict[Metric, dict[str, Judged]]:
    answers = run.answers(method, task, after)
    verdicts = run.verdicts(judge, method, task, after)
    return judged_answers(answers, verdicts, facts_known_before(run.folder))


def _cells(run: Run, judge: str, method: str, task: str, after: str) -> list[CellRow]:
    """The cell of each metric; none where nothing is judged yet."""
    found = []
    for metric, judged in _judged(run, judge, method, task, after).items():
        answers = [row.answer for row in judged.values()]
        scored = [row.scored() for row in judged.values()]
        cell = CellRow(
            method=method,
            task=task,
            after=after,
            metric=metric,
            **score_of(scored, resamples=run.config.evaluate.resamples),
            judge=judge,
            rouge_l=_mean([rouge_l(row.response, row.truth) for row in answers]),
            **_truth_probability(answers),
        )
        found.append(cell)
    return found


def _truth_probability(answers: Sequence[AnswerRow]) -> dict[str, float | int | None]:
    """The mean probability of the truths and how many answers have none; no keys where the run does not measure it."""
    if not any(row.probability_measured for row in answers):
        return {}
    known = [row.truth_probability for row in answers if row.truth_probability is not None]
    missing = len(answers) - len(known)
    return {"truth_probability": _mean(known), "truth_probability_missing": missing}


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 6) if values else None


def _breakdowns(run: Run, judge: str, method: str, task: str, after: str) -> list[BreakdownRow]:
    found = []
    for metric, judged in _judged(run, judge, method, task, after).items():
        scored = [row.scored() for row in judged.values()]
        for part in breakdowns(scored, GROUPINGS, resamples=BREAKDOWN_RESAMPLES):
            row = BreakdownRow(
                method=method, task=task, after=after, metric=metric, **part, judge=judge
            )
            found.append(row)
    return found


def _comparisons(
    run: Run, judge: str, order: list[str], methods: Sequence[str]
) -> list[ComparisonRow]:
    """Differences between the methods at the archive of the last task."""

    def scored(method: str, task: str) -> dict[str, dict[str, Scored]]:
        by_metric = _judged(run, judge, method, task, order[-1])
        return {
            metric: {name: row.scored() for name, row in judged.items()}
            for metric, judged in by_metric.items()
        }

    rows = compare(scored, methods, order, resamples=run.config.evaluate.resamples)
    return [ComparisonRow(**row, judge=judge) for row in rows]


def _reference_comparisons(run: Run, judge: str, order: list[str]) -> list[ComparisonRow]:
    """What LUMoE is better or worse by than each reference, that is, what its experts add to its gate."""
    found: list[ComparisonRow] = []
    for reference in REFERENCES:
        if "lumoe" in run.config.methods and run.folder.answer_files(reference):
            found += _comparisons(run, judge, order, ["lumoe", reference])
    return found


def _taken_in(run: Run) -> dict[str, list[TakenInRow]]:
    """How long references that train nothing took. No key where none was asked for."""
    found: list[TakenInRow] = []
    for reference in REFERENCES:
        path = run.folder.taken_in(reference)
        if path.is_file():
            found += read_json(path, list[TakenInRow])
    return {"taken_in": found} if found else {}


class _TrainedManifest(TypedDict):
    """What is read of an archive's manifest."""

    train: TrainingRecord


def _summary(
    run: Run, method: str, judge: str, order: list[str], cells: list[CellRow]
) -> SummaryRow:
    trainings = []
    for task in run.folder.archived(method, order):
        manifest = read_json(run.folder.archive(method, task) / MANIFEST, _TrainedManifest)
        trainings.append(manifest["train"])
    # None where the device does not say.
    memory = [train["peak_memory_bytes"] for train in trainings if train["peak_memory_bytes"]]
    return SummaryRow(
        method=method,
        judge=judge,
        stability={metric: stability(cells, order, metric) for metric in METRICS},
        final={metric: final_level(cells, order, metric) for metric in METRICS},
        train_seconds=round(sum(train["seconds"] for train in trainings), 3),
        peak_memory_bytes=max(memory, default=None),
        trained_parameters=trainings[-1]["trained_parameters"] if trainings else None,
        **_failed_routes(run, method, order),
    )


def _failed_routes(run: Run, method: str, order: list[str]) -> dict[str, int]:
    """Answers of all cells whose gate failed: how many were refused, and how many the base gave. No keys without a gate."""
    routes = []
    for task in order:
        for after in order:
            routes += [row.route for row in run.answers(method, task, after) if row.route]
    if not routes:
        return {}
    refused = [route.refused for route in routes if route.failed]
    return {"gate_failed_refused": sum(refused), "gate_failed_base": len(refused) - sum(refused)}


def _gates(run: Run, order: list[str]) -> list[GateRow]:
    """The reports on gates, with what was told and lost in the answers behind them."""
    found: list[GateRow] = []
    judge: HarmJudge | None = None
    for after in order:
        path = run.folder.gate_report(after)
        if not path.is_file():
            continue
        judge = judge or harm_judge(run, order)
        for row in read_json(path, list[GateRow]):
            found.append(row if judge is None else _with_harm(run, judge, row, order))
    return found


def _answered_behind(gate: GateRow) -> str:
    """The method whose answers were routed by this gate; "" where none were."""
    if gate.configured:
        return "lumoe"
    return UPPER_BOUND if gate.gate == "oracle" else ""


def _with_harm(run: Run, judge: HarmJudge, gate: GateRow, order: list[str]) -> GateRow:
    """The row with what the answers behind the gate tell and lose; as it was where there are none."""
    method = _answered_behind(gate)
    answers = answers_after(run, method, order, gate.after) if method else []
    if not answers:
        return gate
    mode = "off"
    manifest = run.folder.archive(method, gate.after) / MANIFEST
    if manifest.is_file():
        mode = read_json(manifest, ManifestFacts).get("second_look", "off")
    return gate.model_copy(update={"second_look": mode, **judge.harm(answers).as_rates()})


def birth_scores(root: Path, name: str) -> list[CellRow] | None:
    """The cells of LUMoE's task `name` right after it was unlearned, from the run's results. None where there are none.

    An archive is written before it is tested and never changes, so its scores at birth stand in results.json alone.
    """
    path = RunDir(root).results
    if not path.is_file():
        return None
    cells = read_results(path).cells
    born = [cell for cell in cells if cell.method == "lumoe" and cell.task == cell.after == name]
    return born or None
