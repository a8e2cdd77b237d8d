"""What a plan holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlubench.experiment.plan.forecast.parts import Forecast
from mlubench.experiment.plan.start import Missing
from mlubench.settings.model import Quantization

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
    # How often each expert may be trained again, as long as the first time: `lumoe.retries`. `steps` leave it out.
    retries: int = 0


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
    # How its language model's matrices are to be held.
    quantization: Quantization = "none"


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
    # What it takes on a card; None where no card was named, or where `not_forecast` says why it cannot be said.
    forecast: Forecast | None = None
    not_forecast: str = ""

    @property
    def steps(self) -> int | None:
        """Of all methods; None where those of one are not known."""
        total = 0
        for method in self.methods:
            if method.steps is None:
                return None
            total += method.steps
        return total
