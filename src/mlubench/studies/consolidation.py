"""Fewer experts for a run's many: merged or distilled, measured before and after, and adopted only if nothing got worse."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from typing_extensions import TypedDict

from mlubench.core.errors import UsageError
from mlubench.core.files import MANIFEST, digest, is_whole, whole_dir
from mlubench.core.progress import progress_bar
from mlubench.core.reading import read_json, read_json_as_it_stands
from mlubench.experiment.answering import answer_cell, known_answers
from mlubench.experiment.context import Context
from mlubench.experiment.finished import finished_context
from mlubench.experiment.learners.lumoe import LumoeLearner
from mlubench.experiment.samples import samples_to_test
from mlubench.experiment.training import train
from mlubench.experiment.turns import KnownAnswers
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import judge_cell, judge_of
from mlubench.judging.scoring import judged_answers
from mlubench.lumoe.experts.merge_plan import Group, Plan, choose, facts_of, merge, weight_bytes
from mlubench.lumoe.experts.merging import active_experts, put_in_force
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.adapters import add_adapter, load_adapter, remove_adapters, save_adapter
from mlubench.runs.folder import RunDir
from mlubench.runs.manifest import CarriedScore, ManifestFacts, TrainingRecord
from mlubench.runs.rows import read_answers, read_verdicts
from mlubench.settings.training import LoraConfig
from mlubench.statistics.scores import METRICS, Score, score_of
from mlubench.types import Judge, Metric, Task
from mlubench.unlearning.schedule import step_seed

STAGE = ".consolidating"  # in the store's folder, where nothing with a leading dot counts
# What a manifest is to say of how an adapter was made: `relative_error` of a merged one, the training of a distilled one.
Making = ManifestFacts


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


class Candidate(LumoeLearner):
    """The run's LUMoE as it would be with these groups' adapters in place of their members."""

    def __init__(self, ctx: Context, groups: Sequence[Group], adapters: Mapping[str, Path]) -> None:
        super().__init__(ctx)
        self.adapters = adapters
        self.into = {member: group.name for group in groups for member in group.members}

    def _mount(self, done: list[str]) -> None:
        remove_adapters(self.ctx.mllm)
        active = active_experts(self.store, done)
        self.engine.expert_for = {
            task: self.into.get(expert, expert) for task, expert in active.expert_for.items()
        }
        self.engine.disabled = active.disabled
        for expert in dict.fromkeys(self.engine.expert_for.values()):
            if expert in self.adapters:
                load_adapter(self.ctx.mllm, expert, self.adapters[expert])
                # A loaded adapter is on; LUMoE itself decides which are.
                self.ctx.mllm.model.base_model.disable_adapter_layers()
            elif expert not in active.disabled:
                self.store.mount(self.ctx.mllm, expert)


def consolidate_run(root: Path, plan: Plan, console: Console) -> ConsolidationReport:
    """Merge experts of a run if no cell loses more than `plan.max_drop`. The report, whose `adopted` says whether it did.

    Cells are those of the run's LUMoE after its last task: its gate, its test samples, its judge. Until they are good
    enough nothing in the store changes. Interrupted, the same call goes on where it was.
    """
    run = RunDir(root)
    config = run.config()
    with run.lock():
        store = ExpertStore(run.store("lumoe"))
        groups, left_out = choose(store, plan)
        ctx = finished_context(run)
        done = run.archived("lumoe", ctx.order)
        _require_finished(groups, done)
        # Named by all that decides what lies there, so that another plan never takes up its work.
        stage = store.root / STAGE / digest([asdict(plan), [asdict(group) for group in groups]])
        tools = JudgeTools(config.judging, config.device, config.model.plugins)
        judge = judge_of(run, config.judge, tools)
        known = _answered(run, store, done)
        before = _measure(ctx, LumoeLearner(ctx), done, stage / "before", judge, known)
        members = sum(len(group.members) for group in groups)
        console.print(f"{members} experts into {len(groups)}: {plan.method}")
        adapters = {group.name: stage / "adapters" / group.name for group in groups}
        makings: dict[str, Making] = {}
        for group in groups:
            makings[group.name] = _make(ctx, store, group, plan, adapters[group.name])
        candidate = Candidate(ctx, groups, adapters)
        after = _measure(ctx, candidate, done, stage / "after", judge, known)
        cells = compare(before, after, plan.max_drop)
        why = [cell["why"] for cell in cells if cell["why"]]
        if not why:
            _adopt(store, groups, plan, adapters, makings, cells)
        reports = _group_reports(store, groups, adapters, makings)
        shutil.rmtree(store.root / STAGE)
        shutil.rmtree(run.work, ignore_errors=True)
    return {
        "store": str(store.root),
        "plan": asdict(plan),
        "groups": reports,
        "left_out": dict(left_out),
        "adopted": not why,
        "why": why,
        "measured": True,
        "cells": cells,
    }


def consolidate_store(store: ExpertStore, plan: Plan) -> ConsolidationReport:
    """Merge experts of a plain store, which has no benchmark: nothing is measured, and the manifests say so."""
    if plan.method != "svd":
        raise UsageError(
            "distilling needs a run's benchmark and base", "Use --method svd, or give the run."
        )
    groups, left_out = choose(store, plan)
    adapters = {group.name: store.root / STAGE / "adapters" / group.name for group in groups}
    makings: dict[str, Making] = {}
    for group in groups:
        error = merge(store, group, plan.scale, adapters[group.name])
        makings[group.name] = {"relative_error": error}
    _adopt(store, groups, plan, adapters, makings, None)
    reports = _group_reports(store, groups, adapters, makings)
    shutil.rmtree(store.root / STAGE)
    return {
        "store": str(store.root),
        "plan": asdict(plan),
        "groups": reports,
        "left_out": dict(left_out),
        "adopted": True,
        "why": [],
        "measured": False,
        "cells": [],
    }


def _require_finished(groups: Sequence[Group], done: Sequence[str]) -> None:
    for expert in sorted({expert for group in groups for expert in group.experts}):
        if expert not in done:
            raise UsageError(
                f"expert {expert!r} is of no task that this run has finished", "Leave it out."
            )


def _answered(run: RunDir, store: ExpertStore, done: list[str]) -> KnownAnswers:
    """What the run has answered already; nothing once the store was changed, as other versions may have said it."""
    if store.history():
        return {}
    known: KnownAnswers = {}
    for task in done:
        known |= known_answers(run.answers("lumoe", task, done[-1]))
    return known


def _measure(
    ctx: Context,
    learner: LumoeLearner,
    done: list[str],
    folder: Path,
    judge: Judge,
    known: KnownAnswers,
) -> list[MeasuredCell]:
    """Both cells of every task. What is answered in `folder` already stays; what is answered now is added to `known`."""
    evaluate = ctx.config.evaluate
    cells: list[MeasuredCell] = []
    with progress_bar() as bar:
        for task in bar.track(done, description=f"testing {folder.name}"):
            answers = folder / f"{task}.jsonl"
            verdicts = folder / f"{task}-verdicts.jsonl"
            if not answers.is_file():
                learner.at(done)
                samples = samples_to_test(ctx.benchmark.task(task), evaluate.limit)
                answer_cell(answers, samples, learner, batch=evaluate.batch, known=known)
            known |= known_answers(answers)
            judge_cell(answers, verdicts, judge)
            judged = judged_answers(read_answers(answers), read_verdicts(verdicts))
            for metric in METRICS:
                rows = [row.scored() for row in judged.get(metric, {}).values()]
                score = score_of(rows, resamples=evaluate.resamples)
                cells.append({"task": task, "metric": metric, **score})
    return cells


def _make(ctx: Context, store: ExpertStore, group: Group, plan: Plan, out: Path) -> Making:
    """The group's adapter as a PEFT folder, made now unless an interrupted call has."""
    if plan.method == "svd":
        if not is_whole(out):
            merge(store, group, plan.scale, out)
        return {"relative_error": read_json(out / MANIFEST, _Merged)["error"]}
    if not is_whole(out):
        _distil(ctx, group, out)
    return read_json_as_it_stands(out / MANIFEST, _Distilled)["told"]


class _Merged(TypedDict):
    """What is read of the manifest of a compressed sum, before it is an expert."""

    error: float


class _Distilled(TypedDict):
    """What is read of the manifest of a distilled adapter, before it is an expert."""

    told: ManifestFacts


def _distil(ctx: Context, group: Group, out: Path) -> None:
    """One fresh expert, trained by the run's expert method on all that the group's experts were trained to forget."""
    tasks = [ctx.benchmark.task(name) for name in group.experts]
    union = Task(
        group.name,
        forget=tuple(sample for task in tasks for sample in task.forget),
        retain=tuple(sample for task in tasks for sample in task.retain),
    )
    settings = ctx.config.train.for_method("lumoe")
    # As strong as the members: alpha / r, the factor on the adapter's output, stays what it was.
    lora = LoraConfig(
        r=group.rank,
        alpha=max(1, round(settings.lora.alpha * group.rank / settings.lora.r)),
        dropout=settings.lora.dropout,
    )
    settings = settings.model_copy(update={"lora": lora})
    remove_adapters(ctx.mllm)
    seed = step_seed(ctx.config.seed, "lumoe", group.name, "init")
    add_adapter(ctx.mllm, group.name, lora, settings.scope, seed=seed, full=settings.full)
    facts = train(ctx, ctx.config.lumoe.expert, "lumoe", union, settings)
    told: ManifestFacts = {
        "train": facts["train"],
        "settings": facts["settings"],
        "data_sha256": facts["data_sha256"],
        "loss": facts["loss"],
        "seed": facts["seed"],
    }
    with whole_dir(out, {"told": told}) as folder:
        save_adapter(ctx.mllm, group.name, folder)
    remove_adapters(ctx.mllm)


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


def _adopt(
    store: ExpertStore,
    groups: Sequence[Group],
    plan: Plan,
    adapters: Mapping[str, Path],
    makings: Mapping[str, Making],
    cells: Sequence[ComparedCell] | None,
) -> None:
    """Give each adapter its manifest, apart from the store, and let all of them stand for their members at once.

    `cells` None: nothing was measured.
    """
    staged = ExpertStore(store.root / STAGE / "experts")
    # A killed call may have left its own, with scores that are measured again.
    shutil.rmtree(staged.root, ignore_errors=True)
    for group in groups:
        making = makings[group.name]
        scores: list[CarriedScore] = [cell for cell in cells or [] if cell["task"] in group.experts]
        facts: ManifestFacts = {
            **facts_of(store, group, plan),
            **making,
            "scores": scores or None,
            "measured": cells is not None,
        }
        if "settings" in making:
            facts["settings"] = {**(making["settings"] or {}), "consolidate": plan.method}
        staged.add(group.name, adapters[group.name], facts)
    put_in_force(store, staged, {group.name: group.members for group in groups})


def _group_reports(
    store: ExpertStore,
    groups: Sequence[Group],
    adapters: Mapping[str, Path],
    makings: Mapping[str, Making],
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
