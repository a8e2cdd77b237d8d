"""What a run would do and need, worked out beforehand: nothing is loaded, trained, downloaded or written."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlubench.core.errors import MlubenchError
from mlubench.core.files import is_whole
from mlubench.data.protocols import under_protocol
from mlubench.experiment.learners.lumoe import LumoeLearner, OracleLumoeLearner, check_weights
from mlubench.experiment.plan.start import (
    Missing,
    foresee_benchmark,
    foresee_device,
    foresee_gate,
    foresee_judge,
    foresee_lengths,
    foresee_model,
    foresee_strangers,
    foresee_tests,
    known_part,
)
from mlubench.experiment.samples import fit_samples, samples_to_test, tested_after
from mlubench.experiment.table import METHODS
from mlubench.judging.run import has_version
from mlubench.lumoe.gates.making import gate_class
from mlubench.lumoe.gates.names import check_aliases
from mlubench.models.sizes import Shape, trained_bytes, with_adapter
from mlubench.runs.folder import BASE, KNOW, NOTHING_UNLEARNED, RunDir
from mlubench.settings.evaluation import EvaluateConfig
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Task
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.parameters import trained_parameters
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer_setup import warmup_steps

NOT_COUNTED = (
    "activations, which grow with train.batch and the length of prompts",
    "what the reference said of each sample",
    "the cache of keys and values while answering, which grows with evaluate.batch",
)


# Trained parameters by part of the model, then by name with `*` for the number of the layer.
TrainedParameters = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task as one method unlearns it, on one device."""

    name: str
    # Training samples. `retain` is 0 where the method does not use them.
    forget: int
    retain: int
    # Of the optimiser.
    steps: int
    # Whether the run's folder holds the archive already.
    archived: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on the training device."""

    base: int
    # Float32 weights, gradients and AdamW's two moments of what is trained.
    adapter: int
    # Of earlier tasks, which LUMoE keeps mounted. None where the tasks are not known; it then counts as 0.
    experts: int | None
    # The most that kept picture features may take.
    features: int

    @property
    def total(self) -> int:
        return self.base + self.adapter + (self.experts or 0) + self.features


@dataclass(frozen=True, slots=True)
class MethodPlan:
    """What one method would do. None stands for what cannot be said while the annotations or the model are missing."""

    name: str
    # The row of the table of losses that it trains by.
    loss: str
    # As the manifests of its archives will hold them.
    settings: dict[str, Any]
    trained: TrainedParameters | None
    trained_parameters: int | None
    tasks: list[TaskPlan] | None
    # Of all tasks.
    steps: int | None
    memory: Memory | None
    # Of all archives.
    archive_bytes: int | None


@dataclass(frozen=True, slots=True)
class AnswersPlan:
    """Answers that a learner would give."""

    who: str
    # Files of answers, one for each task and archive.
    cells: int
    # Lines of all these files.
    questions: int


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """The base."""

    name: str
    # Where its shape is from, in words.
    source: str
    # False: the model is not here, and the numbers are the most that they can be.
    exact: bool
    parameters: int
    bytes: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan. None stands for what cannot be said while the annotations or the model are missing."""

    preset: str
    out: Path
    model: ModelPlan | None
    # Of the whole benchmark.
    samples: int | None
    # The tasks, in the order of the run.
    order: list[str] | None
    # False until the base was asked what it knows: counts are then the most that they can be.
    exact_samples: bool
    methods: list[MethodPlan]
    asked: list[AnswersPlan] | None
    # Paths within the run's folder; one that ends in a slash is a folder.
    files: list[str]
    missing: list[Missing]

    @property
    def steps(self) -> int | None:
        """Of all methods; None where those of one are not known."""
        total = 0
        for method in self.methods:
            if method.steps is None:
                return None
            total += method.steps
        return total


def plan_run(config: Config, out: Path) -> Plan:
    """What `run_lifelong` would do with the same arguments. A draft configuration will do.

    Raises UsageError for settings that would stop the run: a task, entity or hyperparameter that does not exist.
    """
    run = RunDir(out)
    whole, missing = foresee_benchmark(config.benchmark)
    shape, missing_model = foresee_model(config.model, whole)
    missing += missing_model
    missing += foresee_device(config.device)
    if LumoeLearner.name in config.methods:
        for gate in (config.gate, *config.gates.also):
            missing += foresee_gate(gate, config.gates)
        missing += foresee_strangers(config.benchmark)
    missing += foresee_judge(config.judge, config.judging, config.device)
    missing += _missing_place(config, run)
    # Of which the base is asked what it knows, and which methods and gates then see.
    held_out = None
    benchmark = None
    exact = False
    order = config.benchmark.order
    if whole is not None:
        check_aliases(config.gates.aliases, whole)
        held_out, exact = known_part(config, whole, run)
        benchmark = under_protocol(held_out, config.benchmark.protocol)
        order = [task.name for task in benchmark]
        missing += foresee_tests(held_out, config.know)
        if LumoeLearner.name in config.methods:
            check_weights(config, order)
        # A model with something wrong cannot measure anything.
        if shape is not None and not missing_model:
            missing += foresee_lengths(config, benchmark, shape)
    adapters = AdapterSizes(shape) if shape is not None else None
    methods = [
        _plan_method(name, config, benchmark, order, adapters, run) for name in config.methods
    ]
    missing += _missing_rate(config, methods)
    asked = None
    if held_out is not None and benchmark is not None:
        asked = _plan_answers(config, held_out, benchmark)
    return Plan(
        preset=config.preset,
        out=out,
        model=_plan_model(config, shape) if shape is not None else None,
        samples=len(whole.samples) if whole is not None else None,
        order=order,
        exact_samples=exact,
        methods=methods,
        asked=asked,
        files=_planned_files(config, order or [], run),
        missing=missing,
    )


def _missing_rate(config: Config, methods: Sequence[MethodPlan]) -> list[Missing]:
    """Trainings whose only step is the warm-up's first, which has a rate of 0 and changes nothing."""
    missing = []
    for method in methods:
        ratio = config.train.for_method(method.name).warmup_ratio
        if not warmup_steps(ratio, 1):
            continue
        for task in method.tasks or []:
            if task.steps == 1:
                what = (
                    f"{method.name} has one step on task {task.name}, "
                    f"and train.warmup_ratio={ratio:g} gives it a rate of 0"
                )
                hint = "Lower train.warmup_ratio or train.batch, or raise train.epochs."
                missing.append(Missing(what, hint))
    return missing


def _missing_place(config: Config, run: RunDir) -> list[Missing]:
    """What stands in the way of writing to the run's folder."""
    try:
        run.require_free(config)
    except MlubenchError as error:
        return [Missing.from_error(error)]
    return []


def _plan_model(config: Config, shape: Shape) -> ModelPlan:
    made = "the tiny LLaVA" if config.model.kind == "toy" else "the small real LLaVA"
    name = config.model.path or made
    return ModelPlan(name, shape.source, shape.exact, shape.parameters, shape.bytes, shape.dtype)


@dataclass(frozen=True, slots=True)
class AdapterSize:
    """What an adapter trains, and how many bytes its float32 weights take."""

    trained: TrainedParameters
    bytes: int


class AdapterSizes:
    """Measures adapters on the shape of one model. Equal ones are mounted once, as that takes seconds on a large model."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._known: dict[Hashable, AdapterSize] = {}

    def measure(self, settings: TrainConfig) -> AdapterSize:
        key = (settings.lora, settings.scope, settings.full)
        if key not in self._known:
            self._known[key] = self._measure(settings)
        return self._known[key]

    def _measure(self, settings: TrainConfig) -> AdapterSize:
        trained: TrainedParameters = {}
        with with_adapter(self.shape, settings.lora, settings.scope, settings.full) as mllm:
            for name, count in trained_parameters(mllm).items():
                part = self.shape.mllm.parts.part_of(name) or "other"
                trained.setdefault(part, {})[name] = count
            return AdapterSize(trained, trained_bytes(mllm))


def _plan_method(
    name: str,
    config: Config,
    benchmark: Benchmark | None,
    order: list[str] | None,
    adapters: AdapterSizes | None,
    run: RunDir,
) -> MethodPlan:
    settings = config.train.for_method(name)
    # A method that is no loss brings a learner of its own, which trains an expert a task by another row's loss.
    has_experts = name not in LOSSES
    # Loaded now, so that a package that is broken is said before the run.
    METHODS.resolve(name)
    loss = config.lumoe.expert if has_experts else name
    needs = make_method(loss, LOSSES.resolve(loss), settings.options).needs
    tasks = None
    steps = None
    if benchmark is not None:
        tasks = [_plan_task(task, name, settings, "retain" in needs, run) for task in benchmark]
        steps = sum(task.steps for task in tasks)
    trained = None
    count = None
    memory = None
    archive_bytes = None
    if adapters is not None:
        size = adapters.measure(settings)
        trained = size.trained
        count = sum(sum(counts.values()) for counts in trained.values())
        memory = _plan_memory(size, settings, adapters.shape, order, has_experts)
        if order:
            one_archive = size.bytes
            if has_experts:
                one_archive += gate_class(config.gate).saved_bytes(adapters.shape.hidden)
            archive_bytes = len(order) * one_archive
    return MethodPlan(
        name=name,
        loss=loss,
        settings=settings.model_dump(mode="json", exclude={"per_method"}),
        trained=trained,
        trained_parameters=count,
        tasks=tasks,
        steps=steps,
        memory=memory,
        archive_bytes=archive_bytes,
    )


def _plan_task(
    task: Task, method: str, settings: TrainConfig, uses_retain: bool, run: RunDir
) -> TaskPlan:
    forget = len(fit_samples(task.forget, settings))
    retain = len(fit_samples(task.retain, settings)) if uses_retain else 0
    # The trainer fills batches across epochs, so only the very last one may be smaller.
    steps = math.ceil(forget * settings.epochs / settings.batch)
    archived = is_whole(run.archive(method, task.name))
    return TaskPlan(task.name, forget, retain, steps, archived)


def _plan_memory(
    size: AdapterSize,
    settings: TrainConfig,
    shape: Shape,
    order: list[str] | None,
    has_experts: bool,
) -> Memory:
    experts: int | None = 0
    if has_experts:
        # All experts but the one in training, while the last task is learned.
        experts = size.bytes * (len(order) - 1) if order else None
    features = 0
    # Features are kept only while pictures go in and no adapter changes what they pass through.
    if settings.images == "seen" and size.trained.keys().isdisjoint({"vision", "projector"}):
        features = settings.vision_cache_mb * 2**20
    # Weights, gradients and two moments, all in float32.
    return Memory(base=shape.bytes, adapter=4 * size.bytes, experts=experts, features=features)


def _tested_cells(settings: EvaluateConfig, order: Sequence[str]) -> list[tuple[str, str]]:
    """(task, after) of every cell, in the order in which they are answered."""
    cells = []
    for after in order:
        for task in tested_after(settings, order, after):
            cells.append((task, after))
    return cells


def _learners(config: Config) -> list[str]:
    """Who answers all cells: every method, and with LUMoE its upper bound."""
    if LumoeLearner.name in config.methods:
        return [*config.methods, OracleLumoeLearner.name]
    return list(config.methods)


def _plan_answers(config: Config, held_out: Benchmark, benchmark: Benchmark) -> list[AnswersPlan]:
    sizes = {task.name: len(samples_to_test(task, config.evaluate.limit)) for task in benchmark}
    plans = []
    if config.know.enabled:
        asked = sum(sample.calibrates for sample in held_out.samples)
        plans.append(AnswersPlan("base: what it knows", 1, asked))
    plans.append(AnswersPlan(BASE, len(sizes), sum(sizes.values())))
    cells = _tested_cells(config.evaluate, list(sizes))
    questions = sum(sizes[task] for task, _ in cells)
    for name in _learners(config):
        plans.append(AnswersPlan(name, len(cells), questions))
    return plans


def _planned_files(config: Config, order: Sequence[str], run: RunDir) -> list[str]:
    """Paths within the run's folder. Where the tasks are not known, `order` is empty and no file of a task is listed."""
    paths = [run.config_file, run.facts_file, run.file_records]
    if config.know.enabled:
        paths.append(run.know)
    paths += [run.results, run.report]

    # (method, task, after) of every file of answers.
    cells = [(BASE, task, NOTHING_UNLEARNED) for task in order]
    if config.know.enabled:
        cells.append((BASE, KNOW, NOTHING_UNLEARNED))
    for name in _learners(config):
        for task, after in _tested_cells(config.evaluate, order):
            cells.append((name, task, after))

    if LumoeLearner.name in config.methods:
        paths += [run.gate_report(task) for task in order]
        paths.append(run.gate_features)
    paths += [run.answers(*cell) for cell in cells]
    paths += [run.verdicts(config.judge, *cell) for cell in cells]
    if has_version(config.judge):
        paths.append(run.judge_version(config.judge))
    files = [path.relative_to(run.root).as_posix() for path in paths]
    for method in config.methods:
        for task in order:
            archive = run.archive(method, task)
            files.append(f"{archive.relative_to(run.root).as_posix()}/")
    return files
