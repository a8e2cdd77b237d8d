"""The one trainer of every method, over transformers' Trainer. A method says what it needs; this supplies it.

A training is: `schedule` puts the samples in order, alternates are drawn for methods that need them, the reference is
asked once, and then for each step a `StepBuilder` makes batches, `views_of` passes them through the model, and the
method's loss looks at the views.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer

from mlubench.core.errors import MlubenchError
from mlubench.models.memory import PeakMemory
from mlubench.models.mllm import MLLM
from mlubench.models.picture_tokens import enters_as_tokens
from mlubench.models.sharding import leave_to_fsdp
from mlubench.runs.manifest import TrainingRecord
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.alternates import GUESSED, with_alternates
from mlubench.unlearning.batches import trains_vision
from mlubench.unlearning.data_parallel import (
    TrainerInputs,
    collator,
    join_views,
    loss_to_backward,
    shares,
)
from mlubench.unlearning.forward import views_of
from mlubench.unlearning.methods.base import Method
from mlubench.unlearning.orthogonality import EarlierDirections
from mlubench.unlearning.parameters import (
    negated_change,
    parameter_groups,
    real_training,
    trained_parameters,
)
from mlubench.unlearning.saliency import only_salient
from mlubench.unlearning.schedule import schedule
from mlubench.unlearning.steps import StepBuilder
from mlubench.unlearning.trainer_setup import ProgressCallback, training_arguments


class NoGradientError(MlubenchError):
    """What is to be trained takes no part in the loss: `blind` leaves the vision part out of every pass."""


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What a training did: kept in the archive's manifest."""

    seconds: float
    peak_memory_bytes: int | None  # None where the system does not tell
    steps: int
    samples: int  # forget samples, each once
    first_loss: float
    last_loss: float
    trained_parameters: int
    trained: dict[str, int]  # the same by name, with `*` for the numbers of layers

    def as_record(self) -> TrainingRecord:
        return {
            "seconds": self.seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "steps": self.steps,
            "samples": self.samples,
            "first_loss": self.first_loss,
            "last_loss": self.last_loss,
            "trained_parameters": self.trained_parameters,
            "trained": self.trained,
        }


def unlearn(
    mllm: MLLM,
    method: Method,
    forget: Sequence[Sample],
    retain: Sequence[Sample],
    benchmark: Benchmark,
    config: TrainConfig,
    *,
    seed: int,
    work: Path,
    label: str = "",
    earlier: Sequence[Path] = (),
) -> TrainingFacts:
    """Train the active adapter of `mllm` in place. Its state at the start is the method's reference.

    `earlier` are folders of earlier tasks' adapters, which methods that are `orthogonal` keep clear of.
    Raises MlubenchError when there is nothing to train on, when the loss or a parameter stops being a number, or when
    nothing has changed in the end.
    """
    if not forget or ("retain" in method.needs and not retain):
        raise MlubenchError(
            f"{label}: no sample to train on", "Lower know.min_score or use more pictures."
        )
    _require_vision(mllm, method, [*forget, *retain], config, label)
    started = time.perf_counter()
    memory = PeakMemory(mllm.device)
    items = schedule(forget, retain, epochs=config.epochs, seed=seed)
    if not GUESSED.isdisjoint(method.needs):
        items = with_alternates(mllm, items, batch=config.batch, seed=seed)
    steps = StepBuilder(mllm, benchmark, method, config)
    negation = nullcontext() if method.negate is None else negated_change(mllm, method.negate)
    with memory, real_training(mllm, label), negation:
        steps.remember_reference(items)
        trainer = UnlearningTrainer(
            method,
            mllm,
            config,
            earlier,
            args=training_arguments(
                config, samples=len(items), work=work, device=mllm.device, seed=seed
            ),
            train_dataset=shares(items, config.batch),
            data_collator=collator(steps),
        )
        with only_salient(mllm, method, steps.batch_builder, items, batch=config.batch):
            trainer.run(label)
    losses = [float(loss) for loss in torch.stack(trainer.losses).cpu()]
    trained = trained_parameters(mllm)
    return TrainingFacts(
        seconds=round(time.perf_counter() - started, 3),
        peak_memory_bytes=memory.bytes,
        steps=len(losses),
        samples=len(forget),
        first_loss=losses[0],
        last_loss=losses[-1],
        trained_parameters=sum(trained.values()),
        trained=trained,
    )


def _require_vision(
    mllm: MLLM, method: Method, samples: Sequence[Sample], config: TrainConfig, label: str
) -> None:
    """Raises MlubenchError where a method that looks at pictures is given none, or may not change how they are seen."""
    if "words" not in method.needs and not method.sees_features:
        return
    if config.images == "blind" or not all(sample.image for sample in samples):
        raise MlubenchError(
            f"{label}: the method looks at pictures, and not every sample has one to be shown",
            "Train with -s train.images=seen on samples with pictures, or choose another method.",
        )
    if method.sees_features and not enters_as_tokens(mllm.base):
        raise MlubenchError(
            f"{label}: the method looks at pictures among the tokens of a text, and this model's text looks at them in"
            " layers of its own",
            "Choose another method.",
        )
    if method.sees_features and not trains_vision(mllm):
        raise MlubenchError(
            f"{label}: the method trains how pictures are seen, which train.scope={config.scope} leaves as it is",
            f"Add -s train.per_method.{label.partition(':')[0]}.scope=vision.",
        )


class UnlearningTrainer(Trainer):
    """transformers' Trainer with a method's loss."""

    def __init__(
        self,
        method: Method,
        mllm: MLLM,
        config: TrainConfig,
        earlier: Sequence[Path] = (),
        **options: Any,
    ) -> None:
        if mllm.sharded:
            leave_to_fsdp(mllm.model)
        super().__init__(mllm.model, **options)
        self.method = method
        self.mllm = mllm
        self.config = config
        kept_clear_of = () if method.orthogonal is None else earlier
        self.directions = EarlierDirections(mllm, kept_clear_of)
        # One of each step, still on the model's device: reading a number there would wait for it at every step.
        self.losses: list[Tensor] = []

    def run(self, label: str) -> None:
        """Train to the end under a progress bar, and leave the model ready to answer."""
        progress = ProgressCallback(label)
        self.add_callback(progress)
        self.remove_callback(PrinterCallback)
        try:
            self.mllm.model.train()
            self.train()
        finally:
            if self.config.gradient_checkpointing:
                # It would slow down whatever the model does later.
                self.mllm.base.activation_checkpointing_disable()
            self.mllm.model.eval()
            progress.bar.stop()

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        groups = parameter_groups(self.model, self.mllm.parts, self.config)
        self.optimizer = torch.optim.AdamW([dict(group) for group in groups], lr=self.config.lr)
        return self.optimizer

    def _prepare_inputs(self, inputs: TrainerInputs) -> TrainerInputs:
        # Nothing is to be moved: the batches were made on the model's device.
        return inputs

    def compute_loss(
        self, model: nn.Module, inputs: TrainerInputs, return_outputs: bool = False, **_: Any
    ) -> Any:
        """The loss of one step. `model` is what the Trainer has wrapped around `mllm.model`, or that itself."""
        idle = inputs["idle"]
        views = views_of(self.mllm, inputs["step"], self.method, model=model)
        loss = self.method.loss(join_views(views, idle=idle))
        apart = (self.method.orthogonal or 0) * self.directions.overlap()
        total = (loss + apart).detach()
        if not torch.isfinite(total):
            raise MlubenchError(
                f"the loss became {total.item()} at step {len(self.losses)}", "Lower train.lr."
            )
        if not loss.requires_grad:
            raise NoGradientError(
                "no gradient reaches what is trained: train.images=blind leaves the vision part out, "
                "as do samples in words alone",
                "Use train.images=seen, or train.scope=language.",
            )
        self.losses.append(total)
        # Every process has all of `apart`, so that the average of its gradients is right as it is.
        loss = loss_to_backward(loss, views, idle=idle) + apart
        # The Trainer asks for outputs only where it evaluates, and there are none to give.
        return (loss, None) if return_outputs else loss
