"""The one trainer of every method, over transformers' Trainer. A method says what it needs; this supplies it."""

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainingArguments

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest
from mlubench.models.families import Parts
from mlubench.models.memory import PeakMemory
from mlubench.models.mllm import MLLM
from mlubench.models.sharding import leave_to_fsdp
from mlubench.models.training import ProgressCallback, arguments
from mlubench.settings.run import TrainConfig
from mlubench.types import Benchmark, Sample
from mlubench.unlearning.feed import Feed, schedule
from mlubench.unlearning.forward import views_of
from mlubench.unlearning.methods.base import Method
from mlubench.unlearning.shares import collator, joined, shares, to_backward

# The reentrant kind would train nothing: no input of a checkpointed layer asks for a gradient in a LoRA model.
_CHECKPOINTING = {
    "gradient_checkpointing": True,
    "gradient_checkpointing_kwargs": {"use_reentrant": False},
}


class NoGradientError(MlubenchError):
    """What is to be trained takes no part in the loss: `blind` leaves the vision part out of every pass."""


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What a training did: kept in the archive's manifest. `trained` counts parameters by name, `*` for the layer."""

    seconds: float
    peak_memory_bytes: int | None
    steps: int
    samples: int
    first_loss: float
    last_loss: float
    trained_parameters: int
    trained: dict[str, int]


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
) -> TrainingFacts:
    """Train the active adapter of `mllm` in place. Its state at the start is the method's reference.

    Raises MlubenchError when there is nothing to train on, or when the loss stops being a number.
    """
    if not forget or ("retain" in method.needs and not retain):
        raise MlubenchError(
            f"{label}: no sample to train on", "Lower know.min_score or use more pictures."
        )
    started, memory = time.perf_counter(), PeakMemory(mllm.device)
    items = schedule(forget, retain, epochs=config.epochs, seed=seed)
    feed = Feed(mllm, benchmark, method, config)
    with memory, _LinearChange(mllm, method.negate):
        feed.remember_reference(items)
        trainer = _UnlearningTrainer(
            method,
            mllm,
            config,
            args=_arguments(config, len(items), work=work, device=mllm.device, seed=seed),
            train_dataset=shares(items, config.batch),
            data_collator=collator(feed),
        )
        trainer.run(label)
    losses = [float(x) for x in torch.stack(trainer.losses).cpu()]
    trained, seconds = trained_parameters(mllm), round(time.perf_counter() - started, 3)
    return TrainingFacts(
        seconds,
        memory.bytes,
        len(losses),
        len(forget),
        losses[0],
        losses[-1],
        sum(trained.values()),
        trained,
    )


def trained_parameters(mllm: MLLM) -> dict[str, int]:
    """Numbers of trainable parameters by name, with `*` for the numbers of layers and the adapter's name left out."""
    counts: Counter[str] = Counter()
    for name, parameter in mllm.model.named_parameters():
        if parameter.requires_grad:
            plain = name.removeprefix("base_model.model.")
            plain = re.sub(r"(lora_[AB]|modules_to_save)\.[^.]+", r"\1", plain)
            counts[re.sub(r"\.\d+\.", ".*.", plain)] += parameter.numel()
    return dict(sorted(counts.items()))


def _arguments(
    config: TrainConfig, samples: int, *, work: Path, device: torch.device, seed: int
) -> TrainingArguments:
    return arguments(
        work,
        device,
        num_train_epochs=1,  # the schedule holds all epochs
        per_device_train_batch_size=1,  # one share of a batch
        learning_rate=config.lr,
        weight_decay=config.weight_decay,
        lr_scheduler_type="cosine",
        seed=seed,
        train_sampling_strategy="sequential",
        max_grad_norm=config.max_grad_norm,
        warmup_steps=round(config.warmup_ratio * -(-samples // config.batch)),
        **(_CHECKPOINTING if config.gradient_checkpointing else {}),
        torch_compile=config.compile,
        ddp_find_unused_parameters=config.images == "blind",
        dataloader_pin_memory=False,  # the feed makes its batches on the model's device
    )


class _UnlearningTrainer(Trainer):
    def __init__(self, method: Method, mllm: MLLM, config: TrainConfig, **options: Any) -> None:
        if mllm.sharded:
            leave_to_fsdp(mllm.model)
        super().__init__(mllm.model, **options)
        self.method, self.mllm, self.config = method, mllm, config
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
                self.mllm.base.activation_checkpointing_disable()
            self.mllm.model.eval()
            progress.bar.stop()

    def create_optimizer(self, *_: Any, **__: Any) -> Any:
        groups = parameter_groups(self.model, self.mllm.parts, self.config)
        self.optimizer = torch.optim.AdamW(groups, lr=self.config.lr)
        return self.optimizer

    def _prepare_inputs(self, inputs: Any) -> Any:
        return inputs  # made on the model's device

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        idle = inputs["idle"]
        own = views_of(self.mllm, inputs["step"], self.method, model=model)
        loss = self.method.loss(joined(own, idle=idle))
        if not torch.isfinite(loss):
            raise MlubenchError(
                f"the loss became {loss.item()} at step {len(self.losses)}", "Lower train.lr."
            )
        if not loss.requires_grad:
            why = (
                "no gradient reaches what is trained: train.images=blind leaves the vision part out"
            )
            raise NoGradientError(why, "Use train.images=seen, or train.scope=language.")
        self.losses.append(loss.detach())
        loss = to_backward(loss, own, idle=idle)
        return (loss, None) if return_outputs else loss


def parameter_groups(model: Any, parts: Parts, config: TrainConfig) -> list[dict[str, Any]]:
    """AdamW's groups: the learning rate of each part, and no weight decay on biases and norms."""
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = parts.part_of(name) or "language"
            rate = config.part_lr.get(part, config.lr)
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


class _LinearChange:
    """For methods that subtract what was learned: holds every LoRA's A, so that the change is linear in what is trained,
    and at a good end puts each parameter at start - negate x (trained - start)."""

    def __init__(self, mllm: MLLM, negate: float | None) -> None:
        self.model, self.negate = mllm.model, negate
        self.held: list[Any] = []
        self.start: list[tuple[Any, Tensor]] = []

    def __enter__(self) -> None:
        if self.negate is None:
            return
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad and ".lora_A." in name:
                self.held.append(parameter.requires_grad_(False))
            elif parameter.requires_grad:
                self.start.append((parameter, parameter.detach().clone()))

    def __exit__(self, kind: Any, *_: Any) -> None:
        if self.negate is not None and kind is None:
            with torch.no_grad():
                for parameter, start in self.start:
                    parameter.copy_(start - self.negate * (parameter - start))
        for parameter in self.held:
            parameter.requires_grad_(True)


def step_seed(*parts: object) -> int:
    """A seed for one step of a run, the same whichever steps ran before it in this process."""
    return int(digest([str(p) for p in parts], 8), 16) % 2**31
