"""What each method would train: parameters, samples, steps and memory."""

import math
from collections.abc import Hashable
from dataclasses import dataclass

from mlubench.core.files import is_whole
from mlubench.experiment.plan.gate_sizes import gate_bytes
from mlubench.experiment.plan.parts import Memory, MethodPlan, TaskPlan, TrainedParameters
from mlubench.experiment.refusing import most_retries
from mlubench.experiment.samples import fit_samples
from mlubench.experiment.table import METHODS
from mlubench.models.sizes import Shape, trained_bytes, with_adapter
from mlubench.runs.folder import RunDir
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Task
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.parameters import trained_parameters
from mlubench.unlearning.table import LOSSES


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


def plan_method(
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
    method = make_method(loss, LOSSES.resolve(loss), settings.options)
    tasks = None
    steps = None
    if benchmark is not None:
        tasks = [
            _plan_task(task, name, settings, "retain" in method.needs, run) for task in benchmark
        ]
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
            archives = len(order)
            if not has_experts and method.orthogonal is not None:
                # Each holds the adapters of all tasks before it too.
                archives = len(order) * (len(order) + 1) // 2
            archive_bytes = archives * size.bytes
            if has_experts:
                archive_bytes += gate_bytes(config, adapters.shape, benchmark, order)
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
        retries=most_retries(config, method) if has_experts else 0,
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
