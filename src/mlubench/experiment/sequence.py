"""The lifelong experiment: unlearn A, B, C, D, archive after each, test every archive on every task so far, resume."""

import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from mlubench.core import processes
from mlubench.core.files import is_whole, write_json
from mlubench.core.progress import progress_bar
from mlubench.experiment.answering import (
    KnownAnswers,
    Learner,
    answer_cell,
    known_answers,
    tested,
    tested_after,
)
from mlubench.experiment.gate_reports import gate_reports
from mlubench.experiment.know import know_filter
from mlubench.experiment.learners import (
    Base,
    Context,
    LumoeLearner,
    OracleLumoeLearner,
    learner_for,
)
from mlubench.experiment.prepare import in_order, open_base, open_benchmark
from mlubench.judging.llm.checks import check_judge
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import judge_run
from mlubench.judging.scoring import build_results
from mlubench.lumoe.gates.making import check_gate
from mlubench.lumoe.gates.names import check_aliases
from mlubench.runs.folder import RunDir
from mlubench.runs.opening import Run
from mlubench.runs.results import Results
from mlubench.settings.run import Config
from mlubench.types import Benchmark


def run_lifelong(config: Config, out: Path, console: Console) -> Results:
    """The whole experiment in the folder `out`; what is finished there is kept. Returns the results."""
    run = RunDir(out)
    with run.lock():
        started = time.perf_counter()
        if "lumoe" in config.methods:
            for gate in (config.gate, *config.gates.also):
                check_gate(
                    gate, config.gates
                )  # a missing key should not come to light after hours of training
        for notice in check_judge(config):
            console.print(f"[yellow]Note: {notice}[/yellow]")
        with processes.leader_first():
            whole = open_benchmark(config)
        check_aliases(config.gates.aliases, whole)
        benchmark = in_order(whole, config.benchmark.order)
        processes.written(
            lambda: run.claim(config)
        )  # after the benchmark: a mistyped folder leaves nothing in the way
        console.print(f"benchmark: {len(whole.samples):,} samples, {len(whole.tasks)} tasks")
        with processes.leader_first():
            mllm = open_base(config, whole)
        ctx = Context(config, know_filter(Context(config, benchmark, mllm, run)), mllm, run)
        processes.written(lambda: run.note(**_facts(ctx, benchmark)))
        _ask_base(ctx)
        for name in config.methods:
            console.print(f"[bold]{name}[/bold]: {' -> '.join(ctx.order)}")
            _run_method(ctx, learner_for(name, ctx))
        if "lumoe" in config.methods:
            _upper_bound(ctx)
        return processes.agreed(lambda: _finish(ctx, time.perf_counter() - started))


def _finish(ctx: Context, seconds: float) -> Results:
    judge_run(ctx.run, ctx.config.judge, JudgeTools(ctx.config.judging, ctx.config.device))
    shutil.rmtree(ctx.run.work, ignore_errors=True)
    ctx.run.finish(seconds)
    return build_results(Run(ctx.run, ctx.config), [ctx.config.judge])


def _run_method(ctx: Context, learner: Learner) -> None:
    known: KnownAnswers = {}
    for step, name in enumerate(ctx.order):
        if not processes.agreed(lambda: is_whole(ctx.run.archive(learner.name, name))):  # noqa: B023 - called at once
            learner.at(ctx.order[:step])
            learner.learn(ctx.benchmark.task(name))
        _answer_after(ctx, learner, ctx.order[: step + 1], known)
        if isinstance(learner, LumoeLearner):
            learner.at(ctx.order[: step + 1])
            processes.written(lambda: _report_gate(ctx, learner, name))  # noqa: B023 - called at once


def _report_gate(ctx: Context, learner: LumoeLearner, after: str) -> None:
    path = ctx.run.gate_report(after)
    if not path.is_file():
        done = ctx.order[: ctx.order.index(after) + 1]
        # All tasks, whatever answers are tested on: those still to come hold entities that the gate has not met.
        write_json(
            path, gate_reports(learner, done, [s for t in ctx.benchmark for s in tested(t, None)])
        )


def _answer_after(ctx: Context, learner: Learner, done: list[str], known: KnownAnswers) -> None:
    """Answer every cell of one archive that is not answered yet."""
    after, settings = done[-1] if done else "0", ctx.config.evaluate
    tasks = tested_after(ctx.config.evaluate, ctx.order, after) if done else ctx.order
    missing = processes.agreed(
        lambda: [t for t in tasks if not ctx.run.answers(learner.name, t, after).is_file()]
    )
    if learner.frozen:
        for task in tasks:
            known.update(_known(ctx, learner.name, task, after))
    with progress_bar() as bar:
        for task in bar.track(missing, description=f"{learner.name}: testing after {after}"):
            learner.at(done)
            samples = tested(ctx.benchmark.task(task), settings.limit)
            answer_cell(
                ctx.run.answers(learner.name, task, after),
                samples,
                learner,
                batch=settings.batch,
                known=known,
                probability=settings.probability,
            )


def _known(ctx: Context, name: str, task: str, after: str) -> KnownAnswers:
    return processes.agreed(lambda: known_answers(ctx.run.answers(name, task, after)))


def _ask_base(ctx: Context) -> None:
    _answer_after(ctx, Base(ctx), [], {})


def _upper_bound(ctx: Context) -> None:
    """The same experts behind the oracle gate. Answers never go into the cells."""
    oracle = OracleLumoeLearner(ctx)
    known: KnownAnswers = {}
    for step, after in enumerate(ctx.order):
        for task in tested_after(ctx.config.evaluate, ctx.order, after):
            known.update(_known(ctx, "lumoe", task, after))
        _answer_after(ctx, oracle, ctx.order[: step + 1], known)


def _facts(ctx: Context, whole: Benchmark) -> dict[str, Any]:
    """What results.json and the report say about the run."""
    config, kept = ctx.config, {s.fact for s in ctx.benchmark.samples}
    facts = {s.fact for s in whole.samples}
    versions = {
        name: version(name) for name in ("mlubench", "torch", "transformers", "peft", "pillow")
    }
    return {
        "preset": config.preset,
        "seed": config.seed,
        "stand_ins": whole.stand_ins,
        "model": ctx.mllm.name,
        "model_sha256": ctx.mllm.weight_hashes(),
        "device": str(ctx.mllm.device),
        "processes": processes.world(),
        "sharded": ctx.mllm.sharded,
        "gate": config.gate,
        "judge": config.judge,
        "train_images": config.train.images,
        "train_scope": config.train.scope,
        "methods": config.methods,
        "image_root": str(whole.image_root),
        "versions": versions,
        "tested_samples": {
            t.name: {x: sum(s.role == "test" for s in t.split(x)) for x in ("forget", "retain")}
            for t in ctx.benchmark
        },
        "benchmark": {
            "kind": config.benchmark.kind,
            "seed": config.benchmark.seed,
            "tasks": ctx.order,
            "digest": whole.digest,
            "facts": len(facts),
            "facts_dropped": len(facts) - len(kept),
        },
    }
