"""What a run would do and need, worked out beforehand: nothing is loaded, trained, downloaded or written."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.data.protocols import under_protocol
from mlubench.experiment.learners.lumoe import LumoeLearner, check_weights
from mlubench.experiment.plan.answers import plan_answers, planned_files
from mlubench.experiment.plan.forecast.cards import find_card
from mlubench.experiment.plan.forecast.forecast import Planned, forecast_run
from mlubench.experiment.plan.forecast.parts import Forecast, ForecastWish
from mlubench.experiment.plan.methods import AdapterSizes, plan_method
from mlubench.experiment.plan.parts import MethodPlan, ModelPlan, Plan
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
from mlubench.lumoe.gates.aliases import check_aliases
from mlubench.models.sizes import Shape
from mlubench.runs.folder import RunDir
from mlubench.settings.run import Config
from mlubench.unlearning.trainer_setup import warmup_steps

NOT_COUNTED = (
    "activations, which grow with train.batch and the length of prompts",
    "what the reference said of each sample",
    "the cache of keys and values while answering, which grows with evaluate.batch",
)


def plan_run(config: Config, out: Path, wish: ForecastWish | None = None) -> Plan:
    """What `run_lifelong` would do with the same arguments. A draft configuration will do.

    With a wish it also says what that takes on a card, which takes seconds for a 7B.
    Raises UsageError for settings that would stop the run: a task, entity or hyperparameter that does not exist; and for
    a card that is not in the table.
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
        # The base is asked what it knows before the protocol has a say.
        missing += foresee_tests(held_out if config.know.enabled else benchmark, config.know)
        if LumoeLearner.name in config.methods:
            check_weights(config, order)
        # A model with something wrong cannot measure anything.
        if shape is not None and not missing_model:
            missing += foresee_lengths(config, benchmark, shape)
    adapters = AdapterSizes(shape) if shape is not None else None
    methods = [
        plan_method(name, config, benchmark, order, adapters, run) for name in config.methods
    ]
    missing += _missing_rate(config, methods)
    asked = None
    if held_out is not None and benchmark is not None:
        asked = plan_answers(config, held_out, benchmark)
    forecast = None
    not_forecast = ""
    if wish is not None:
        planned = Planned(methods, asked, benchmark)
        forecast, not_forecast = _forecast(config, planned, shape, wish)
    return Plan(
        preset=config.preset,
        out=out,
        model=_plan_model(config, shape) if shape is not None else None,
        samples=len(whole.samples) if whole is not None else None,
        order=order,
        exact_samples=exact,
        methods=methods,
        asked=asked,
        files=planned_files(config, order or [], run),
        missing=missing,
        forecast=forecast,
        not_forecast=not_forecast,
    )


def _forecast(
    config: Config, planned: Planned, shape: Shape | None, wish: ForecastWish
) -> tuple[Forecast | None, str]:
    """The forecast, or None and why there is none. Raises UsageError for a card that is not in the table."""
    find_card(wish.card)
    if shape is None:
        return None, "the model is not known. Give its folder: -s model.path=FOLDER."
    try:
        return forecast_run(config, planned, shape, wish), ""
    except MlubenchError as error:
        return None, str(error)


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
    return ModelPlan(
        name=name,
        source=shape.source,
        exact=shape.exact,
        parameters=shape.parameters,
        bytes=shape.bytes,
        dtype=shape.dtype,
        quantization=shape.quantization,
    )
