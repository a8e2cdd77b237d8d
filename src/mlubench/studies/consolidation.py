"""Fewer experts for a run's many: merged or distilled, measured before and after, and adopted only if nothing got worse."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from mlubench.core.errors import UsageError
from mlubench.core.files import MANIFEST, digest, is_whole, read_json, whole_dir
from mlubench.core.progress import progress_bar
from mlubench.experiment.answering import KnownAnswers, answer_cell, known_answers, tested
from mlubench.experiment.know import know_filter
from mlubench.experiment.learners import Context, LumoeLearner, train
from mlubench.experiment.prepare import in_order, open_base, open_benchmark
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import judge_cell, judge_of
from mlubench.judging.scoring import judged_answers
from mlubench.lumoe.experts.merge_plan import Group, Plan, choose, facts_of, merge, weight_bytes
from mlubench.lumoe.experts.merging import active_experts, put_in_force
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.adapters import add_adapter, load_adapter, remove_adapters, save_adapter
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_answers, read_verdicts
from mlubench.settings.run import LoraConfig
from mlubench.statistics.scores import METRICS, score_of
from mlubench.types import Judge, Task
from mlubench.unlearning.trainer import step_seed

STAGE = ".consolidating"  # in the store's folder, where nothing with a leading dot counts
Cells = list[dict[str, Any]]


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
                self.ctx.mllm.model.base_model.disable_adapter_layers()
            elif expert not in active.disabled:
                self.store.mount(self.ctx.mllm, expert)


def consolidate_run(root: Path, plan: Plan, console: Console) -> dict[str, Any]:
    """Merge experts of a run if no cell loses more than `plan.max_drop`. The report, whose `adopted` says whether it did.

    Cells are those of the run's LUMoE after its last task: its gate, its test samples, its judge. Until they are good
    enough nothing in the store changes. Interrupted, the same call goes on where it was.
    """
    run = RunDir(root)
    config = run.config()
    with run.lock():
        store = ExpertStore(run.store("lumoe"))
        groups, left = choose(store, plan)
        ctx = _context(run)
        done = run.archived("lumoe", ctx.order)
        if lost := sorted({e for g in groups for e in g.experts} - set(done)):
            raise UsageError(
                f"expert {lost[0]!r} is of no task that this run has finished", "Leave it out."
            )
        stage = store.root / STAGE / digest([asdict(plan), [asdict(g) for g in groups]])
        judge = judge_of(run, config.judge, JudgeTools(config.judging, config.device))
        known = _answered(run, store, done)
        before = _measure(ctx, LumoeLearner(ctx), done, stage / "before", judge, known)
        console.print(
            f"{sum(len(g.members) for g in groups)} experts into {len(groups)}: {plan.method}"
        )
        adapters = {g.name: stage / "adapters" / g.name for g in groups}
        told = {g.name: _make(ctx, store, g, plan, adapters[g.name]) for g in groups}
        after = _measure(ctx, Candidate(ctx, groups, adapters), done, stage / "after", judge, known)
        cells = compare(before, after, plan.max_drop)
        why = [row["why"] for row in cells if row["why"]]
        if not why:
            _adopt(store, groups, plan, adapters, told, cells)
        report = _report(store, groups, left, plan, adapters, told)
        shutil.rmtree(store.root / STAGE)
        shutil.rmtree(run.work, ignore_errors=True)
    return {**report, "adopted": not why, "why": why, "measured": True, "cells": cells}


def consolidate_store(store: ExpertStore, plan: Plan) -> dict[str, Any]:
    """Merge experts of a plain store, which has no benchmark: nothing is measured, and the manifests say so."""
    if plan.method != "svd":
        raise UsageError(
            "distilling needs a run's benchmark and base", "Use --method svd, or give the run."
        )
    groups, left = choose(store, plan)
    adapters = {g.name: store.root / STAGE / "adapters" / g.name for g in groups}
    told = {
        g.name: {"relative_error": merge(store, g, plan.scale, adapters[g.name])} for g in groups
    }
    _adopt(store, groups, plan, adapters, told, None)
    report = _report(store, groups, left, plan, adapters, told)
    shutil.rmtree(store.root / STAGE)
    return {**report, "adopted": True, "why": [], "measured": False, "cells": []}


def _context(run: RunDir) -> Context:
    config = run.config()
    whole = open_benchmark(config)
    ctx = Context(config, in_order(whole, config.benchmark.order), open_base(config, whole), run)
    return Context(config, know_filter(ctx), ctx.mllm, run)


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
) -> Cells:
    """Both cells of every task. What is answered in `folder` already stays."""
    cells = []
    with progress_bar() as bar:
        for task in bar.track(done, description=f"testing {folder.name}"):
            answers, verdicts = folder / f"{task}.jsonl", folder / f"{task}-verdicts.jsonl"
            if not answers.is_file():
                learner.at(done)
                samples = tested(ctx.benchmark.task(task), ctx.config.evaluate.limit)
                answer_cell(answers, samples, learner, batch=ctx.config.evaluate.batch, known=known)
            known |= known_answers(answers)
            judge_cell(answers, verdicts, judge)
            judged = judged_answers(read_answers(answers), read_verdicts(verdicts))
            for metric in METRICS:
                found = [row.scored() for row in judged.get(metric, {}).values()]
                cells.append(
                    {
                        "task": task,
                        "metric": metric,
                        **score_of(found, resamples=ctx.config.evaluate.resamples),
                    }
                )
    return cells


def _make(ctx: Context, store: ExpertStore, group: Group, plan: Plan, out: Path) -> dict[str, Any]:
    """The group's adapter as a PEFT folder, made now unless an interrupted call has; what is to tell of its making."""
    if plan.method == "svd":
        if not is_whole(out):
            merge(store, group, plan.scale, out)
        return {"relative_error": read_json(out / MANIFEST)["error"]}
    if not is_whole(out):
        _distil(ctx, group, out)
    return dict(read_json(out / MANIFEST)["told"])


def _distil(ctx: Context, group: Group, out: Path) -> None:
    """One fresh expert, trained by the run's expert method on all that the group's experts were trained to forget."""
    tasks = [ctx.benchmark.task(t) for t in group.experts]
    union = Task(
        group.name,
        tuple(s for t in tasks for s in t.forget),
        tuple(s for t in tasks for s in t.retain),
    )
    settings = ctx.config.train.for_method("lumoe")
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
    told = {key: facts[key] for key in ("train", "settings", "data_sha256", "loss", "seed")}
    with whole_dir(out, {"told": told}) as folder:
        save_adapter(ctx.mllm, group.name, folder)
    remove_adapters(ctx.mllm)


def compare(before: Cells, after: Cells, max_drop: float) -> Cells:
    """Each cell before and after; `why` says what forbids the replacement, None where nothing does.

    An answer that can no longer be judged is no score, and forbids it too.
    """
    rows = []
    for old, new in zip(before, after, strict=True):
        where = f"{new['metric']} of task {new['task']}"
        drop = (
            None
            if old["score"] is None or new["score"] is None
            else round(old["score"] - new["score"], 6)
        )
        why = None
        if new["unscored"] > old["unscored"] or (new["score"] is None and old["score"] is not None):
            why = (
                f"{where}: {new['unscored']} answers could not be judged, {old['unscored']} before"
            )
        elif drop is not None and drop > max_drop:
            why = f"{where} falls from {old['score']:.3f} to {new['score']:.3f}, by more than {max_drop:g}"
        head = {key: new[key] for key in ("task", "metric")}
        rows.append(
            {**head, "before": _figures(old), "after": _figures(new), "drop": drop, "why": why}
        )
    return rows


def _figures(cell: dict[str, Any]) -> dict[str, Any]:
    """What JSON gives back as it is."""
    interval = list(cell["ci95"]) if cell["ci95"] else None
    return {"score": cell["score"], "ci95": interval, "n": cell["n"], "unscored": cell["unscored"]}


def _adopt(
    store: ExpertStore, groups: Sequence[Group], plan: Plan, adapters: Mapping[str, Path], told: Mapping[str, Any],
    cells: Cells | None,
) -> None:  # fmt: skip
    """Give each adapter its manifest, apart from the store, and let all of them stand for their members at once."""
    staged = ExpertStore(store.root / STAGE / "experts")
    shutil.rmtree(
        staged.root, ignore_errors=True
    )  # of a killed call: its scores are measured again
    for group in groups:
        mine = [c for c in cells or [] if c["task"] in group.experts] or None
        facts = {
            **facts_of(store, group, plan),
            **told[group.name],
            "scores": mine,
            "measured": cells is not None,
        }
        if "settings" in told[group.name]:
            facts["settings"] = {**told[group.name]["settings"], "consolidate": plan.method}
        staged.add(group.name, adapters[group.name], facts)
    put_in_force(store, staged, {g.name: g.members for g in groups})


def _report(
    store: ExpertStore, groups: Sequence[Group], left: Mapping[str, str], plan: Plan, adapters: Mapping[str, Path],
    told: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    rows = []
    for group in groups:
        sizes = {"bytes_before": sum(weight_bytes(store.folder(m)) for m in group.members)}
        sizes["bytes"] = weight_bytes(adapters[group.name])
        making = {k: v for k, v in told[group.name].items() if k in ("relative_error", "train")}
        rows.append(
            {
                "name": group.name,
                "members": group.members,
                "carries": group.experts,
                "rank": group.rank,
                **sizes,
                **making,
            }
        )
    return {"store": str(store.root), "plan": asdict(plan), "groups": rows, "left_out": dict(left)}
