"""The lifelong experiment: unlearn A, B, C, D, archive after each, test every archive on every task so far, resume.

`learners/` says how a method lives through it, `answering.py` how an archive is tested. Words: `done` are the tasks
unlearned so far, in order; `after` is the newest of them, or "0" for the base; a cell X-UY is task X tested after Y.
"""

import shutil
import time
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mlubench.core import processes
from mlubench.core.files import is_whole, write_json
from mlubench.core.progress import progress_bar
from mlubench.data.protocols import under_protocol
from mlubench.experiment.answering import answer_cell, known_answers
from mlubench.experiment.context import Context
from mlubench.experiment.damaged import drop_damaged, drop_damaged_know
from mlubench.experiment.gate_reports import gate_reports
from mlubench.experiment.know import know_filter
from mlubench.experiment.known_before import mark_known_before
from mlubench.experiment.learners.base import Base, Learner
from mlubench.experiment.learners.lumoe import LumoeLearner, OracleLumoeLearner, check_weights
from mlubench.experiment.learners.making import learner_for
from mlubench.experiment.learners.prompted import PromptedBase
from mlubench.experiment.lengths import require_short_records
from mlubench.experiment.prepare import open_base, open_benchmark, unlearned_part
from mlubench.experiment.references import references_of, write_gate_only
from mlubench.experiment.samples import samples_to_test, tested_after
from mlubench.experiment.strangers import open_strangers, require_strangers
from mlubench.experiment.training_free import write_training_free
from mlubench.experiment.turns import KnownAnswers
from mlubench.judging.llm.checks import check_judge
from mlubench.judging.llm.tools import JudgeTools
from mlubench.judging.run import judge_run
from mlubench.judging.scoring import build_results
from mlubench.lumoe.experts.manifest import base_id
from mlubench.lumoe.gates.aliases import check_aliases
from mlubench.lumoe.gates.making import check_gate
from mlubench.runs.folder import GATE_ONLY, PROMPT_ONLY, TRAINING_FREE, RunDir
from mlubench.runs.opening import Run
from mlubench.runs.results import BenchmarkFacts, Results, RunFacts
from mlubench.runs.wholeness import record
from mlubench.settings.run import Config
from mlubench.types import METRIC_OF, Benchmark, Sample


def run_lifelong(config: Config, out: Path, console: Console) -> Results:
    """The whole experiment in the folder `out`; what is finished there is kept. Returns the results.

    Each step looks for what it would make before it makes it, so an interrupted run goes on by the same call. Several
    processes may share a run (`core.processes`): the leader alone writes, and all take over what it finds on the disk.
    """
    run = RunDir(out)
    with run.lock():
        started = time.perf_counter()
        _check(config, console)
        with processes.leader_first():
            # In the official order, and whole: the base learns all of it, whatever the run unlearns.
            whole = open_benchmark(config)
        check_aliases(config.gates.aliases, whole)
        benchmark = unlearned_part(whole, config.benchmark)
        if LumoeLearner.name in config.methods:
            check_weights(config, [task.name for task in benchmark])
        processes.agreed(lambda: run.require_free(config))
        console.print(f"benchmark: {len(whole.samples):,} samples, {len(whole.tasks)} tasks")
        with processes.leader_first():
            mllm = open_base(config, whole)
        protocol = config.benchmark.protocol
        require_short_records(mllm, under_protocol(benchmark, protocol), config)
        # Only now is the folder written to, so that a mistyped setting, a device that is not here or a model that cannot
        # be loaded leaves nothing in the way of the right command.
        processes.written(lambda: run.claim(config))
        mark_known_before(config, whole, run)
        processes.written(lambda: drop_damaged_know(run, benchmark, console))
        # What the base does not know cannot be unlearned, so only what it knows is trained and tested.
        known = know_filter(Context(config, benchmark, mllm, run))
        ctx = Context(config, under_protocol(known, protocol), mllm, run)
        processes.written(lambda: drop_damaged(run, ctx.benchmark, config.evaluate, console))
        processes.written(lambda: run.note(_facts(ctx, benchmark)))

        # The level that every score is compared with.
        _answer_after(ctx, Base(ctx), [], {})
        for name in config.methods:
            console.print(Text.assemble((name, "bold"), f": {' -> '.join(ctx.order)}"))
            _run_method(ctx, learner_for(name, ctx))
        if "lumoe" in config.methods:
            _answer_upper_bound(ctx)
        answer_references(ctx)
        return processes.agreed(lambda: _finish(ctx, time.perf_counter() - started))


def _check(config: Config, console: Console) -> None:
    """Try gates and judge first: a missing key should not come to light after hours of training."""
    if "lumoe" in config.methods:
        for gate in (config.gate, *config.gates.also):
            check_gate(gate, config.gates)
        require_strangers(config.benchmark)
    tools = JudgeTools(config.judging, config.device, config.model.plugins)
    for notice in check_judge(config.judge, tools):
        console.print(Text(f"Note: {notice}", style="yellow"))


def _run_method(ctx: Context, learner: Learner) -> None:
    """One method through the sequence: unlearn a task, archive the state, test it on all tasks so far."""
    known: KnownAnswers = {}
    for step, task in enumerate(ctx.order):
        done = ctx.order[: step + 1]
        if not _is_archived(ctx, learner, task):
            learner.at(ctx.order[:step])
            learner.learn(ctx.benchmark.task(task))
        _answer_after(ctx, learner, done, known)
        if isinstance(learner, LumoeLearner):
            # Where all cells were answered before, nothing has mounted the state yet.
            learner.at(done)
            _report_gates(ctx, learner, done)


def _is_archived(ctx: Context, learner: Learner, task: str) -> bool:
    return processes.agreed(lambda: is_whole(ctx.run.archive(learner.name, task)))


def _answer_after(ctx: Context, learner: Learner, done: list[str], known: KnownAnswers) -> None:
    """Answer every cell of the archive after the tasks `done` that is not answered yet; of the base where there are none.

    `known` holds what a frozen learner has answered before, and gets what it answers now.
    """
    settings = ctx.config.evaluate
    if done:
        after = done[-1]
        tasks = tested_after(settings, ctx.order, after)
    else:
        after = "0"
        tasks = ctx.order
    if learner.frozen:
        for task in tasks:
            known.update(_answers_in_run(ctx, learner.name, task, after))

    def unanswered() -> list[str]:
        return [t for t in tasks if not ctx.run.answers(learner.name, t, after).is_file()]

    missing = processes.agreed(unanswered)
    with progress_bar() as bar:
        for task in bar.track(missing, description=f"{learner.name}: testing after {after}"):
            # Within the loop: where nothing is missing, nothing needs to be mounted.
            learner.at(done)
            answer_cell(
                ctx.run.answers(learner.name, task, after),
                samples_to_test(ctx.benchmark.task(task), settings.limit),
                learner,
                batch=settings.batch,
                known=known,
                probability=settings.probability,
            )
            processes.written(lambda: record(ctx.run, ctx.run.answers(learner.name, task, after)))  # noqa: B023 - at once


def _answers_in_run(ctx: Context, method: str, task: str, after: str) -> KnownAnswers:
    return processes.agreed(lambda: known_answers(ctx.run.answers(method, task, after)))


def _answer_upper_bound(ctx: Context) -> None:
    """What the same experts say behind the oracle gate. Its scores are reported apart, never among the cells.

    Where the oracle sends a sample to the experts that LUMoE's gate chose too, LUMoE's answer is taken over.
    """
    oracle = OracleLumoeLearner(ctx)
    known: KnownAnswers = {}
    for step, after in enumerate(ctx.order):
        for task in tested_after(ctx.config.evaluate, ctx.order, after):
            known.update(_answers_in_run(ctx, LumoeLearner.name, task, after))
        _answer_after(ctx, oracle, ctx.order[: step + 1], known)


def answer_references(ctx: Context) -> None:
    """What the methods are held against, as far as it is asked for and not answered yet."""
    wanted = references_of(ctx.config)
    if GATE_ONLY in wanted:
        processes.written(lambda: write_gate_only(ctx.run, ctx.config.evaluate, ctx.order))
    if TRAINING_FREE in wanted:
        write_training_free(ctx)
    if PROMPT_ONLY in wanted:
        prompted = PromptedBase(ctx)
        for step in range(len(ctx.order)):
            _answer_after(ctx, prompted, ctx.order[: step + 1], {})


def _report_gates(ctx: Context, learner: LumoeLearner, done: list[str]) -> None:
    """Write how good every gate is after the tasks `done`, unless that is written."""
    path = ctx.run.gate_report(done[-1])

    def write() -> None:
        if path.is_file():
            return
        samples: list[Sample] = []
        # Of all tasks: those still to come hold entities that the gate has not met. And without the limit on answers,
        # as a route is cheap.
        for task in ctx.benchmark:
            samples += samples_to_test(task, None)
        strangers = open_strangers(ctx.config.benchmark, ctx.benchmark)
        rows = gate_reports(learner, done, samples, strangers)
        write_json(path, [row.as_json() for row in rows])

    processes.written(write)


def _finish(ctx: Context, seconds: float) -> Results:
    """Judge all answers and write the results. The leader alone does it, once all is answered."""
    config = ctx.config
    judge = config.judge
    judge_run(ctx.run, judge, JudgeTools(config.judging, config.device, config.model.plugins))
    # Checkpoints of trainings that were interrupted.
    shutil.rmtree(ctx.run.work, ignore_errors=True)
    ctx.run.finish(seconds)
    return build_results(Run(ctx.run, ctx.config), [judge])


def _facts(ctx: Context, benchmark: Benchmark) -> RunFacts:
    """What run.json says of the run.

    `benchmark` holds the facts that the base does not know too.
    """
    config = ctx.config
    versions = {}
    for package in ("mlubench", "torch", "transformers", "peft", "pillow"):
        versions[package] = version(package)
    tested_samples = {}
    for task in ctx.benchmark:
        counts = {}
        for split in METRIC_OF:
            counts[split] = sum(s.tests for s in task.split(split))
        tested_samples[task.name] = counts
    facts = {s.fact for s in benchmark.samples}
    known_facts = {s.fact for s in ctx.benchmark.samples}
    return RunFacts(
        preset=config.preset,
        seed=config.seed,
        stand_ins=benchmark.stand_ins,
        # Where a model lies is this machine's own affair.
        model=base_id(ctx.mllm.name),
        model_sha256=ctx.mllm.weight_hashes(),
        device=str(ctx.mllm.device),
        processes=processes.world(),
        sharded=ctx.mllm.sharded,
        gate=config.gate,
        judge=config.judge,
        train_images=config.train.images,
        train_scope=config.train.scope,
        methods=config.methods,
        image_root=str(benchmark.image_root),
        versions=versions,
        tested_samples=tested_samples,
        benchmark=BenchmarkFacts(
            kind=config.benchmark.kind,
            seed=config.benchmark.seed,
            tasks=ctx.order,
            digest=benchmark.digest,
            facts=len(facts),
            facts_dropped=len(facts) - len(known_facts),
            protocol=config.benchmark.protocol,
            forget_share=config.benchmark.forget_share,
        ),
    )
