"""Fewer experts for a run's many: merged or distilled, measured before and after, and adopted only if nothing got worse."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from mlubench.core.errors import UsageError
from mlubench.core.files import digest
from mlubench.experiment.finished import finished_context
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import judge_of
from mlubench.lumoe.experts.merge_plan import Group, Plan, choose, facts_of, merge
from mlubench.lumoe.experts.merging import put_in_force
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.runs.folder import RunDir
from mlubench.runs.manifest import CarriedScore, ManifestFacts
from mlubench.studies.consolidation.adapters import make_adapter
from mlubench.studies.consolidation.measuring import Candidate, ExpertsAlone, answered, measure
from mlubench.studies.consolidation.report import (
    ComparedCell,
    ConsolidationReport,
    compare,
    group_reports,
)

STAGE = ".consolidating"  # in the store's folder, where nothing with a leading dot counts


def consolidate_run(root: Path, plan: Plan, console: Console) -> ConsolidationReport:
    """Merge experts of a run if no cell loses more than `plan.max_drop`. The report, whose `adopted` says whether it did.

    Cells are those of the run's gate and experts after its last task, without the second look: its test samples, its
    judge. Until they are good enough nothing in the store changes. Interrupted, the same call goes on where it was.
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
        known = answered(run, store, done)
        before = measure(ctx, ExpertsAlone(ctx), done, stage / "before", judge, known)
        members = sum(len(group.members) for group in groups)
        console.print(f"{members} experts into {len(groups)}: {plan.method}")
        adapters = {group.name: stage / "adapters" / group.name for group in groups}
        makings: dict[str, ManifestFacts] = {}
        for group in groups:
            makings[group.name] = make_adapter(ctx, store, group, plan, adapters[group.name])
        candidate = Candidate(ctx, groups, adapters)
        after = measure(ctx, candidate, done, stage / "after", judge, known)
        cells = compare(before, after, plan.max_drop)
        why = [cell["why"] for cell in cells if cell["why"]]
        if not why:
            _adopt(store, groups, plan, adapters, makings, cells)
        reports = group_reports(store, groups, adapters, makings)
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
    makings: dict[str, ManifestFacts] = {}
    for group in groups:
        error = merge(store, group, plan.scale, adapters[group.name])
        makings[group.name] = {"relative_error": error}
    _adopt(store, groups, plan, adapters, makings, None)
    reports = group_reports(store, groups, adapters, makings)
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


def _adopt(
    store: ExpertStore,
    groups: Sequence[Group],
    plan: Plan,
    adapters: Mapping[str, Path],
    makings: Mapping[str, ManifestFacts],
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
