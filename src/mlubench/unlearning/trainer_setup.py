"""What transformers' Trainer is told: its arguments, and a progress bar in place of its own."""

from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mlubench.core import processes
from mlubench.core.progress import progress_bar
from mlubench.settings.training import TrainConfig


def training_arguments(
    config: TrainConfig, *, samples: int, work: Path, device: torch.device, seed: int
) -> TrainingArguments:
    """Arguments of a training on `samples` items, over all epochs. It writes nothing and reports to nobody."""
    on_cpu = device.type == "cpu"
    steps = -(-samples // config.batch)  # rounded up
    checkpointing: dict[str, Any] = {}
    if config.gradient_checkpointing:
        # The reentrant kind would train nothing: no input of a checkpointed layer asks for a gradient in a LoRA model.
        checkpointing = {
            "activation_checkpointing": True,
            "activation_checkpointing_kwargs": {"use_reentrant": False},
        }
    return TrainingArguments(
        output_dir=str(work),
        # Where it runs
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and processes.world() > 1 else None,
        # A blind pass leaves the vision part out, and its parameters without a gradient.
        ddp_find_unused_parameters=config.images == "blind",
        torch_compile=config.compile,
        **checkpointing,
        # What it is fed: the schedule holds all epochs and their order, and each of its items is a share of a batch
        num_train_epochs=1,
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        label_names=[],
        dataloader_pin_memory=False,  # batches are made on the model's device
        # How it learns
        seed=seed,
        learning_rate=config.lr,
        weight_decay=config.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=warmup_steps(config.warmup_ratio, steps),
        max_grad_norm=config.max_grad_norm,
        # What it writes
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )


def warmup_steps(ratio: float, steps: int) -> int:
    """How many of the steps warm up. The rate of the first of these is 0."""
    return round(ratio * steps)


class ProgressCallback(TrainerCallback):
    """Shows a Trainer's steps in our progress bar."""

    def __init__(self, description: str) -> None:
        self.description = description
        self.bar = progress_bar()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.bar.start()
        self.task = self.bar.add_task(
            self.description, total=state.max_steps, completed=state.global_step
        )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.bar.update(self.task, completed=state.global_step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.bar.stop()
