"""What a run would take on a card, from counts of its passes and the plan's numbers of steps and answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlubench.core.errors import MlubenchError, first_line
from mlubench.core.files import NotMadeError
from mlubench.experiment.plan.answers import GeneratedAnswers, generated_answers
from mlubench.experiment.plan.forecast.answering import AnswerCounts
from mlubench.experiment.plan.forecast.cards import CARDS, Card, find_card, seconds_of
from mlubench.experiment.plan.forecast.counts import Counts
from mlubench.experiment.plan.forecast.needs import answering_need, training_need
from mlubench.experiment.plan.forecast.parts import (
    DiskNeed,
    Forecast,
    ForecastWish,
    MemoryNeed,
    MethodForecast,
)
from mlubench.experiment.plan.forecast.pictures import USUAL, PictureLoad, picture_load, usual_size
from mlubench.experiment.plan.forecast.remedies import find_remedy
from mlubench.experiment.plan.forecast.texts import text_lengths
from mlubench.experiment.plan.parts import AnswersPlan, MethodPlan
from mlubench.experiment.samples import fit_samples
from mlubench.models.bases import find_base
from mlubench.models.counting import Count
from mlubench.models.folders import local_folder
from mlubench.models.processors import load_processor
from mlubench.models.sizes import Shape
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Task
from mlubench.unlearning.methods.base import Method, make_method
from mlubench.unlearning.table import LOSSES

if TYPE_CHECKING:
    from transformers import ProcessorMixin

NOT_COUNTED = (
    "fetching or making the base, loading it, gates and judging; what dequantising takes; pictures of other sizes; "
    "packages of Python and the pictures on disk"
)
# A line of answers and its verdict on disk, about.
ANSWER_BYTES = 800


@dataclass(frozen=True, slots=True)
class Planned:
    """What the plan holds so far."""

    methods: Sequence[MethodPlan]
    asked: Sequence[AnswersPlan] | None
    # As it is trained on and tested; None where the annotations are not here.
    benchmark: Benchmark | None


def forecast_run(config: Config, planned: Planned, shape: Shape, wish: ForecastWish) -> Forecast:
    """The forecast of a plan. Raises UsageError for an unknown card, MlubenchError where passes cannot be counted."""
    card = find_card(wish.card)
    forecaster = _Forecaster(config, planned, shape, wish, card)
    try:
        return forecaster.forecast()
    except MlubenchError:
        raise
    # Some families' code asks for values, which the meta device has not.
    except Exception as error:
        raise MlubenchError(
            f"its passes cannot be counted without weights: {first_line(error)}",
            "Measure them on the card: --dry-run --measure.",
        ) from error


class _Forecaster:
    """One forecast in the making."""

    def __init__(
        self, config: Config, planned: Planned, shape: Shape, wish: ForecastWish, card: Card
    ) -> None:
        self.config = config
        self.planned = planned
        self.shape = shape
        self.wish = wish
        self.card = card
        processor = _processor(config, planned.benchmark, shape)
        self.texts = text_lengths(planned.benchmark, processor)
        self.picture, self.picture_source = self._picture(processor)
        self.counts = Counts(shape, self.texts, self.picture)

    def _picture(self, processor: "ProcessorMixin | None") -> tuple[PictureLoad | None, str]:
        """What a picture takes, and where its size is from. No picture for a benchmark in words alone."""
        benchmark = self.planned.benchmark
        if benchmark is not None and not any(sample.image for sample in benchmark.samples):
            return None, "the benchmark has none"
        maker = self.shape.image_processor
        if processor is not None:
            maker = processor.image_processor
        if maker is None:
            raise MlubenchError(
                "what the model makes of pictures is not known, as its processor is not here",
                "Give its folder: -s model.path=FOLDER.",
            )
        size = self.wish.picture
        source = "as given"
        if size is None:
            size = usual_size(benchmark)
            source = "the middle one of the benchmark's"
        if size is None:
            size = USUAL
            source = "assumed; --picture gives another"
        return picture_load(self.shape.mllm, maker, size), source

    def forecast(self) -> Forecast:
        generated = None
        if self.planned.asked is not None and self.planned.benchmark is not None:
            generated = generated_answers(self.config, self.planned.asked, self.planned.benchmark)
        methods = [self._method(method, generated) for method in self.planned.methods]
        methods = self._with_others(methods)
        fitting = []
        for name, card in CARDS.items():
            if _fit(methods, card):
                fitting.append(name)
        remedy = None
        if not _fit(methods, self.card):
            remedy = find_remedy(
                self.config, methods, self.card.bytes, self.shape.bytes_in_four_bits
            )
        base_seconds = self._base_seconds(generated)
        return Forecast(
            card=self.wish.card,
            card_bytes=self.card.bytes,
            card_flops=self.card.flops,
            utilisation=self.wish.utilisation,
            picture=self.picture.size if self.picture is not None else None,
            picture_source=self.picture_source,
            picture_tokens=self.picture.tokens if self.picture is not None else 0,
            texts=self.texts,
            methods=methods,
            base_answering_seconds=base_seconds,
            disk=self._disk(),
            seconds=_sum_of_seconds(methods, base_seconds),
            fits=_fit(methods, self.card),
            remedy=remedy,
            fitting_cards=fitting,
        )

    def _with_others(self, methods: Sequence[MethodForecast]) -> list[MethodForecast]:
        """With gradient checkpointing set the other way round: the one that needs most, or all if they do not fit."""
        most = max(methods, key=lambda method: method.training.total)
        fits = _fit(methods, self.card)
        completed = []
        for method, plan in zip(methods, self.planned.methods, strict=True):
            wanted = method is most or not (fits or method.checkpointing)
            other = self._otherwise(plan) if wanted else None
            completed.append(replace(method, otherwise=other))
        return completed

    def _otherwise(self, plan: MethodPlan) -> MemoryNeed:
        settings = self.config.train.for_method(plan.name)
        twice = not settings.gradient_checkpointing
        settings = settings.model_copy(update={"gradient_checkpointing": twice})
        kept = self._keeps_features(plan, settings)
        step = self.counts.step(_method_of(plan, settings), settings, kept=kept)
        assert plan.memory is not None, "a plan with a shape has it"
        return training_need(plan.memory, step, settings.batch)

    def _method(self, plan: MethodPlan, generated: GeneratedAnswers | None) -> MethodForecast:
        settings = self.config.train.for_method(plan.name)
        method = _method_of(plan, settings)
        kept = self._keeps_features(plan, settings)
        step = self.counts.step(method, settings, kept=kept)
        # A method that is no loss answers with experts.
        has_experts = plan.name not in LOSSES
        rows = self.config.evaluate.batch
        answers = self.counts.answers(rows, settings, trained=not has_experts)
        usual = self._answer_seconds(answers, self.texts.reply)
        longest = self._answer_seconds(answers, self.config.evaluate.max_new_tokens)
        count = generated.of_methods[plan.name] if generated is not None else None
        assert plan.memory is not None, "a plan with a shape has it"
        return MethodForecast(
            name=plan.name,
            training=training_need(plan.memory, step, settings.batch),
            checkpointing=settings.gradient_checkpointing,
            otherwise=None,
            answering=answering_need(plan.memory, answers, self.config.evaluate, has_experts),
            step_flops=step.flops,
            step_seconds=self._seconds(step),
            answer_seconds=usual,
            training_seconds=self._training_seconds(plan, method, settings, kept),
            answering_seconds=count * usual if count is not None else None,
            answering_seconds_most=count * longest if count is not None else None,
        )

    def _seconds(self, count: Count) -> float:
        return seconds_of(count, self.card, self.wish.utilisation)

    def _keeps_features(self, plan: MethodPlan, settings: TrainConfig) -> bool:
        """Whether all pictures of a task stay in the cache of features. Where they do not, each step looks anew."""
        if self.picture is None or self.planned.benchmark is None or plan.memory is None:
            return False
        if not plan.memory.features:
            return False
        most = 0
        for task in self.planned.benchmark:
            most = max(most, len(_trained_pictures(task, plan, settings)))
        return most * self.picture.bytes <= plan.memory.features

    def _training_seconds(
        self, plan: MethodPlan, method: Method, settings: TrainConfig, kept: bool
    ) -> float | None:
        """Of all tasks: the steps, what the reference is asked, and the first look at each picture that is kept."""
        benchmark = self.planned.benchmark
        if plan.tasks is None or plan.steps is None or benchmark is None:
            return None
        seconds = plan.steps * self._seconds(self.counts.step(method, settings, kept=kept))
        reference = self.counts.reference(method, settings, kept=kept)
        if reference is not None:
            batches = sum(math.ceil(task.forget / settings.batch) for task in plan.tasks)
            seconds += batches * self._seconds(reference)
        if kept and self.picture is not None:
            look = self._seconds(self.picture.count)
            for one in benchmark:
                seconds += len(_trained_pictures(one, plan, settings)) * look
        return seconds

    def _answer_seconds(self, counts: AnswerCounts, tokens: int) -> float:
        """Of one answer, in a batch whose longest has so many tokens."""
        seconds = self._seconds(counts.prompt) + (tokens - 1) * self._seconds(counts.step)
        if self.config.evaluate.probability:
            # Prompts once more, with the truth behind them.
            seconds += self._seconds(counts.prompt)
        return seconds / self.config.evaluate.batch

    def _base_seconds(self, generated: GeneratedAnswers | None) -> float | None:
        if generated is None:
            return None
        counts = self.counts.answers(self.config.evaluate.batch, None, trained=False)
        return generated.base * self._answer_seconds(counts, self.texts.reply)

    def _disk(self) -> DiskNeed:
        archives: int | None = 0
        for method in self.planned.methods:
            if method.archive_bytes is None or archives is None:
                archives = None
            else:
                archives += method.archive_bytes
        answers = None
        if self.planned.asked is not None:
            answers = ANSWER_BYTES * sum(row.questions for row in self.planned.asked)
        return DiskNeed(self.shape.saved_bytes, archives, answers)


def _method_of(plan: MethodPlan, settings: TrainConfig) -> Method:
    return make_method(plan.loss, LOSSES.resolve(plan.loss), settings.options)


def _trained_pictures(task: Task, plan: MethodPlan, settings: TrainConfig) -> set[str]:
    """The pictures of a task that the method trains on."""
    samples = fit_samples(task.forget, settings)
    if any(each.retain for each in plan.tasks or []):
        samples += fit_samples(task.retain, settings)
    return {sample.image for sample in samples if sample.image}


def _fit(methods: Sequence[MethodForecast], card: Card) -> bool:
    needs = [need.total for method in methods for need in (method.training, method.answering)]
    return max(needs) <= card.bytes


def _sum_of_seconds(methods: Sequence[MethodForecast], base_seconds: float | None) -> float | None:
    total = base_seconds
    for method in methods:
        parts = (total, method.training_seconds, method.answering_seconds)
        if any(part is None for part in parts):
            return None
        total = sum(part for part in parts if part is not None)
    return total


def _processor(
    config: Config, benchmark: Benchmark | None, shape: Shape
) -> "ProcessorMixin | None":
    """The base's processor, where its folder is here. Nothing is made or downloaded."""
    model = config.model
    if shape.mllm.processor is not None:
        return shape.mllm.processor
    if model.path is not None:
        folder = local_folder(model.path, model.revision)
    else:
        try:
            folder = find_base(model, benchmark) if benchmark is not None else None
        except NotMadeError:
            folder = None
    return load_processor(folder) if folder is not None else None
