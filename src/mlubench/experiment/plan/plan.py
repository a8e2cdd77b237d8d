"""What a run would do and need, worked out beforehand: nothing is loaded, trained, downloaded or written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlubench.core.errors import MlubenchError
from mlubench.core.files import is_whole
from mlubench.experiment.answering import tested, tested_after
from mlubench.experiment.learners import fit_samples
from mlubench.experiment.plan.start import (
    Missing,
    foresee_benchmark,
    foresee_gate,
    foresee_model,
    known_part,
)
from mlubench.judging.run import has_version
from mlubench.lumoe.gates.making import gate_class
from mlubench.models.sizes import Shape, trained_bytes, with_adapter
from mlubench.runs.folder import RunDir
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Task
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.parameters import trained_parameters
from mlubench.unlearning.table import LOSSES

NOT_COUNTED = (
    "activations, which grow with train.batch and the length of prompts",
    "what the reference said of each sample",
    "the cache of keys and values while answering, which grows with evaluate.batch",
)


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task as one method unlearns it, on one device.

    `forget` and `retain` count training samples; `retain` is 0 where the method does not use them.
    """

    name: str
    forget: int
    retain: int
    steps: int
    archived: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on the training device. `adapter`: float32 weights, gradients and AdamW's two moments of what is trained.

    `experts`: adapters of earlier tasks, which LUMoE keeps mounted; None, and counted as 0, where the tasks are not known.
    `features`: the limit of kept picture features.
    """

    base: int
    adapter: int
    experts: int | None
    features: int

    @property
    def total(self) -> int:
        return self.base + self.adapter + (self.experts or 0) + self.features


@dataclass(frozen=True, slots=True)
class MethodPlan:
    """What one method would do. None stands for what cannot be said while the annotations or the model are missing.

    `trained`: parameters by part, then by name with `*` for the layer. `archive_bytes` is of all its archives.
    """

    name: str
    loss: str
    settings: dict[str, Any]
    trained: dict[str, dict[str, int]] | None
    trained_parameters: int | None
    tasks: list[TaskPlan] | None
    steps: int | None
    memory: Memory | None
    archive_bytes: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Answers that a learner would give: `cells` files with `questions` lines in all."""

    who: str
    cells: int
    questions: int


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """The base. `source` says where the shape is from; without `exact`, its numbers are the most that it can be."""

    name: str
    source: str
    exact: bool
    parameters: int
    bytes: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan. `exact_samples` is False until the base was asked what it knows: counts are then upper bounds."""

    preset: str
    out: Path
    model: ModelPlan | None
    samples: int | None
    order: list[str] | None
    exact_samples: bool
    methods: list[MethodPlan]
    asked: list[Asked] | None
    files: list[str]
    missing: list[Missing]

    @property
    def steps(self) -> int | None:
        counts = [m.steps for m in self.methods]
        return None if None in counts else sum(n for n in counts if n is not None)


def plan_run(config: Config, out: Path) -> Plan:
    """What `run_lifelong` would do with the same arguments. A draft configuration will do.

    Raises UsageError for settings that would stop the run: a task or hyperparameter that does not exist.
    """
    run, whole, missing = RunDir(out), *foresee_benchmark(config)
    shape, lack = foresee_model(config, whole)
    missing += lack + foresee_gate(config) + _place(config, run)
    mounted = Mounted(shape) if shape else None
    benchmark, exact = known_part(config, whole, run) if whole else (None, False)
    order = [t.name for t in benchmark] if benchmark else config.benchmark.order
    return Plan(
        preset=config.preset,
        out=out,
        model=_model(config, shape),
        samples=len(whole.samples) if whole else None,
        order=order,
        exact_samples=exact,
        methods=[_method(name, config, benchmark, order, mounted, run) for name in config.methods],
        asked=_asked(config, benchmark) if benchmark else None,
        files=_files(config, order, run),
        missing=missing,
    )


def _place(config: Config, run: RunDir) -> list[Missing]:
    try:
        run.require_free(config)
    except MlubenchError as error:
        return [Missing.from_error(error)]
    return []


def _model(config: Config, shape: Shape | None) -> ModelPlan | None:
    if shape is None:
        return None
    name = config.model.path or "the tiny LLaVA"
    return ModelPlan(name, shape.source, shape.exact, shape.parameters, shape.bytes, shape.dtype)


class Mounted:
    """What an adapter trains on one model: by part and name, and in bytes. Adapters alike are mounted once."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._known: dict[tuple[Any, ...], tuple[dict[str, dict[str, int]], int]] = {}

    def __call__(self, settings: TrainConfig) -> tuple[dict[str, dict[str, int]], int]:
        key = settings.lora, settings.scope, settings.full
        if key not in self._known:
            trained: dict[str, dict[str, int]] = {}
            with with_adapter(self.shape, settings.lora, settings.scope, settings.full) as mllm:
                for name, count in trained_parameters(mllm).items():
                    trained.setdefault(self.shape.mllm.parts.part_of(name) or "other", {})[name] = (
                        count
                    )
                self._known[key] = trained, trained_bytes(mllm)
        return self._known[key]


def _method(
    name: str,
    config: Config,
    benchmark: Benchmark | None,
    order: list[str] | None,
    mounted: Mounted | None,
    run: RunDir,
) -> MethodPlan:
    settings = config.train.for_method(name)
    # A row without a formula is a learner of its own, which trains its experts by another row's loss.
    loss = name if name in LOSSES else config.lumoe.expert
    needs = make_method(loss, LOSSES.resolve(loss), settings.options).needs
    tasks = (
        [_task(t, name, settings, "retain" in needs, run) for t in benchmark] if benchmark else None
    )
    made = MethodPlan(
        name=name,
        loss=loss,
        settings=settings.model_dump(mode="json", exclude={"per_method"}),
        trained=None,
        trained_parameters=None,
        tasks=tasks,
        steps=sum(t.steps for t in tasks) if tasks is not None else None,
        memory=None,
        archive_bytes=None,
    )
    return _sized(made, settings, mounted, order, config.gate) if mounted else made


def _task(
    task: Task, method: str, settings: TrainConfig, uses_retain: bool, run: RunDir
) -> TaskPlan:
    forget, retain = (len(fit_samples(samples, settings)) for samples in (task.forget, task.retain))
    steps = -(-forget * settings.epochs // settings.batch)  # batches are filled across epochs
    return TaskPlan(
        task.name,
        forget,
        retain if uses_retain else 0,
        steps,
        is_whole(run.archive(method, task.name)),
    )


def _sized(
    made: MethodPlan, settings: TrainConfig, mounted: Mounted, order: list[str] | None, gate: str
) -> MethodPlan:
    """The plan with what only the model tells: the trained parameters, and the memory and disk that they take."""
    trained, size = mounted(settings)
    is_lumoe = made.name != made.loss
    # Features are kept only while no adapter changes them, and pictures go in at all.
    kept = settings.images == "seen" and not {"vision", "projector"} & set(trained)
    earlier = 0 if not is_lumoe else size * (len(order) - 1) if order else None
    memory = Memory(
        mounted.shape.bytes, 4 * size, earlier, settings.vision_cache_mb * 2**20 if kept else 0
    )
    gate_size = gate_class(gate).saved_bytes(mounted.shape.hidden) if is_lumoe else 0
    disk = len(order) * (size + gate_size) if order else None
    total = sum(n for counts in trained.values() for n in counts.values())
    return replace(
        made, trained=trained, trained_parameters=total, memory=memory, archive_bytes=disk
    )


def _tests(config: Config, order: Sequence[str]) -> list[tuple[str, str]]:
    """(task, after) of every cell, in the order in which they are answered."""
    return [
        (task, after) for after in order for task in tested_after(config.evaluate, order, after)
    ]


def _asked(config: Config, benchmark: Benchmark) -> list[Asked]:
    order = [t.name for t in benchmark]
    sizes = {t.name: len(tested(t, config.evaluate.limit)) for t in benchmark}
    cells = _tests(config, order)
    each = len(cells), sum(sizes[task] for task, _ in cells)
    rows = [Asked("base", len(order), sum(sizes.values()))]
    if config.know.enabled:
        rows.insert(
            0,
            Asked("base: what it knows", 1, sum(s.role == "calibrate" for s in benchmark.samples)),
        )
    rows += [Asked(name, *each) for name in config.methods]
    if "lumoe" in config.methods:
        rows.append(Asked("lumoe+oracle", *each))
    return rows


def _files(config: Config, order: list[str] | None, run: RunDir) -> list[str]:
    """Paths within the run's folder; one that ends in a slash is a folder. Without tasks, only what does not name them."""
    know = [run.know] if config.know.enabled else []
    paths = [
        run.config_file,
        run.facts_file,
        *know,
        run.results,
        run.report,
    ]
    names = order or []
    cells = [("base", t, "0") for t in names] + (
        [("base", "know", "0")] if config.know.enabled else []
    )
    oracle = ["lumoe+oracle"] if "lumoe" in config.methods else []
    cells += [(m, *cell) for m in [*config.methods, *oracle] for cell in _tests(config, names)]
    if oracle:
        paths += [run.gate_report(t) for t in names] + [run.gate_features]
    folders = [run.archive(m, t) for m in config.methods for t in names]
    paths += [run.answers(*cell) for cell in cells] + [
        run.verdicts(config.judge, *cell) for cell in cells
    ]
    paths += [run.judge_version(config.judge)] if has_version(config.judge) else []
    found = [p.relative_to(run.root).as_posix() for p in paths]
    return found + [f"{p.relative_to(run.root).as_posix()}/" for p in folders]
