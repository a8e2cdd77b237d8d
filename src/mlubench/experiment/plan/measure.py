"""Measures on the true base what a plan can only count: seconds of steps and of answers, and peak memory.

A few steps of each method and a batch of answers are made as a run would make them, in memory and a temporary folder.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlubench.core.errors import MlubenchError
from mlubench.core.files import NotMadeError, is_whole
from mlubench.data.protocols import under_protocol
from mlubench.experiment.plan.answers import generated_answers
from mlubench.experiment.plan.parts import MethodPlan, Plan
from mlubench.experiment.prepare import (
    load_base,
    open_benchmark,
    real_folder,
    unlearned_part,
    world_folder,
)
from mlubench.experiment.samples import fit_samples, samples_to_test
from mlubench.models.adapters import add_adapter, remove_adapters
from mlubench.models.bases import find_base
from mlubench.models.folders import local_folder
from mlubench.models.memory import PeakMemory
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer import unlearn

# Optimiser steps of one epoch of a measured training.
STEPS = 2
NOT_TIMED = (
    "making the base, judging and gates; other work on this machine than now; that answers grow longer or shorter as a "
    "model is trained; LUMoE answers each sample about once, and takes the other answers over"
)


@dataclass(frozen=True, slots=True)
class MethodMeasure:
    """What one method would take. Seconds are of one device."""

    name: str
    # Of one sample that is met first: what the reference says of it, and its picture's features.
    first_seconds: float
    # Of one optimiser step.
    step_seconds: float
    # Of one answer, in batches as the run's.
    answer_seconds: float
    # Over all tasks and archives, by the plan's counts.
    training_seconds: float
    answering_seconds: float
    # Of the device or, on a CPU, of the whole process, activations and the cache of keys and values included. None where
    # the system does not tell.
    training_bytes: int | None
    answering_bytes: int | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Estimates for the whole plan, as if nothing of it were done yet."""

    # Of the base: what it knows and its answers to all tasks.
    answer_seconds: float
    base_seconds: float
    base_bytes: int | None
    methods: list[MethodMeasure]
    # Base and methods together.
    seconds: float


def measure(config: Config, plan: Plan) -> Measured:
    """Load the base and measure. Nothing is written to the run's folder.

    Raises MlubenchError where something that the run needs is missing, NotMadeError where the base is not there: it is
    never made here.
    """
    if plan.missing:
        raise MlubenchError("something is missing, as the plan says")
    mllm, whole = _open(config)
    ordered = unlearned_part(whole, config.benchmark)
    benchmark = under_protocol(ordered, config.benchmark.protocol)
    _warm_up(mllm, config, benchmark, plan.methods[0])
    counts = generated_answers(config, plan.asked or [], benchmark)
    seconds_per_answer, peak = _time_answers(mllm, config, benchmark)
    base_seconds = counts.base * seconds_per_answer
    methods = []
    for method in plan.methods:
        answers = counts.of_methods[method.name]
        methods.append(_measure_method(mllm, config, benchmark, method, answers))
    total = base_seconds
    for row in methods:
        total += row.training_seconds + row.answering_seconds
    return Measured(seconds_per_answer, base_seconds, peak, methods, total)


def _open(config: Config) -> tuple[MLLM, Benchmark]:
    """The base and the whole benchmark. Raises NotMadeError where either is still to be made."""
    absent = NotMadeError(
        "the base is not made yet", "A run makes it first; it can be measured once it is there."
    )
    model = config.model
    if model.path is not None:
        if local_folder(model.path, model.revision) is None:
            raise NotMadeError(
                f"the weights of {model.path} are not on this machine",
                "Give their folder: -s model.path=FOLDER.",
            )
        return load_base(config, model.path), open_benchmark(config)
    folders = {"world": world_folder, "real": real_folder}
    where = folders.get(config.benchmark.kind)
    # What it is taught from would be drawn before it is made.
    if where is not None and not is_whole(where(config.benchmark)):
        raise absent
    whole = open_benchmark(config)
    try:
        path = find_base(model, whole)
    except NotMadeError as error:
        raise absent from error
    return load_base(config, path), whole


def _measure_method(
    mllm: MLLM, config: Config, benchmark: Benchmark, method: MethodPlan, answers: int
) -> MethodMeasure:
    settings = config.train.for_method(method.name)
    first = _train(mllm, benchmark, method, settings, epochs=1)
    second = _train(mllm, benchmark, method, settings, epochs=2)
    # A second epoch meets no sample first, so the difference is that of the steps alone.
    more_steps = second.steps - first.steps
    more_seconds = max(second.seconds - first.seconds, 0.0)
    # One sample in a batch of several gives one step for both epochs.
    step_seconds = more_seconds / more_steps if more_steps else first.seconds / first.steps
    first_seconds = max(first.seconds - first.steps * step_seconds, 0.0) / first.samples
    # With the adapter of the second training mounted.
    answer_seconds, answering_bytes = _time_answers(mllm, config, benchmark)
    remove_adapters(mllm)
    samples = sum(task.forget for task in method.tasks or [])
    steps = method.steps or 0
    peaks = [peak for peak in (first.peak, second.peak) if peak is not None]
    return MethodMeasure(
        name=method.name,
        first_seconds=first_seconds,
        step_seconds=step_seconds,
        answer_seconds=answer_seconds,
        training_seconds=samples * first_seconds + steps * step_seconds,
        answering_seconds=answers * answer_seconds,
        training_bytes=max(peaks, default=None),
        answering_bytes=answering_bytes,
    )


@dataclass(frozen=True, slots=True)
class _Training:
    """A short training."""

    seconds: float
    steps: int
    samples: int
    peak: int | None


def _train(
    mllm: MLLM, benchmark: Benchmark, method: MethodPlan, settings: TrainConfig, *, epochs: int
) -> _Training:
    """A fresh adapter, trained for `STEPS` steps an epoch on samples of the first task. It stays mounted."""
    # Pictures that were looked at before would cost less than those of a run. The rate is never 0, as in a warm-up.
    short = settings.model_copy(update={"epochs": epochs, "warmup_ratio": 0.0})
    task = benchmark.tasks[0]
    forget = _some(fit_samples(task.forget, settings), STEPS * settings.batch)
    remove_adapters(mllm)
    add_adapter(mllm, "default", settings.lora, settings.scope, seed=0, full=settings.full)
    with TemporaryDirectory() as work:
        started = time.monotonic()
        done = unlearn(
            mllm,
            make_method(method.loss, LOSSES.resolve(method.loss), settings.options),
            forget,
            fit_samples(task.retain, settings),
            benchmark,
            short,
            seed=0,
            work=Path(work),
            label=f"measuring {method.name}",
        )
        seconds = time.monotonic() - started
    return _Training(seconds, done.steps, len(forget), done.peak_memory_bytes)


def _some(samples: Sequence[Sample], count: int) -> list[Sample]:
    """At most so many, drawn in the same way each time: neighbours are of one entity and alike in length."""
    return random.Random(0).sample(list(samples), min(count, len(samples)))


def _warm_up(mllm: MLLM, config: Config, benchmark: Benchmark, method: MethodPlan) -> None:
    """What only the first training and the first answers of a process take is no rate."""
    _train(mllm, benchmark, method, config.train.for_method(method.name), epochs=1)
    remove_adapters(mllm)
    _time_answers(mllm, config, benchmark)


def _time_answers(mllm: MLLM, config: Config, benchmark: Benchmark) -> tuple[float, int | None]:
    """Seconds of one answer in a batch of the run's size, and the peak memory meanwhile."""
    settings = config.evaluate
    rows = samples_to_test(benchmark.tasks[0], settings.limit)
    # A batch has a picture in every row, or in none.
    alike = [sample for sample in rows if bool(sample.image) is bool(rows[0].image)]
    asked = _some(alike, settings.batch)
    queries = [Query(benchmark.picture(sample), sample.question) for sample in asked]
    memory = PeakMemory(mllm.device)
    with memory:
        started = time.monotonic()
        mllm.generate(queries, max_new_tokens=settings.max_new_tokens)
        seconds = time.monotonic() - started
    return seconds / len(queries), memory.bytes
