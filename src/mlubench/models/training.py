"""What every training here shares: quiet, seeded Trainer arguments and one progress bar."""

from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainingArguments

from mlubench.core import processes
from mlubench.core.progress import progress_bar


def arguments(folder: Path, device: torch.device, **settings: Any) -> TrainingArguments:
    """TrainingArguments that write nothing but checkpoints asked for, report to nobody, and keep every column."""
    on_cpu = device.type == "cpu"
    defaults = {
        "output_dir": str(folder),
        "use_cpu": on_cpu,
        "ddp_backend": "gloo" if on_cpu and processes.world() > 1 else None,
        "report_to": [],
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": not on_cpu,
        "label_names": [],
    }
    return TrainingArguments(**{**defaults, **settings})


class ProgressCallback(TrainerCallback):
    """Shows a Trainer's steps in a rich bar."""

    def __init__(self, description: str) -> None:
        self.description = description
        self.bar = progress_bar()
        self.task: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.start()
        self.task = self.bar.add_task(
            self.description, total=state.max_steps, completed=state.global_step
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.update(self.task, completed=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.stop()
