"""Trains the adapter that is on with one task, and archives the state after it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mlubench.core import processes
from mlubench.core.files import whole_dir
from mlubench.experiment.context import Context
from mlubench.experiment.samples import data_hash, fit_samples
from mlubench.lumoe.experts.manifest import (
    WEIGHTS,
    base_id,
    modules_of,
    tensors_in,
    writing_versions,
)
from mlubench.models.adapters import save_adapter
from mlubench.runs.manifest import ManifestFacts
from mlubench.settings.training import TrainConfig
from mlubench.types import Task
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.schedule import step_seed
from mlubench.unlearning.table import LOSSES
from mlubench.unlearning.trainer import unlearn


def train(
    ctx: Context,
    loss: str,
    label: str,
    task: Task,
    settings: TrainConfig,
    *,
    earlier: Sequence[Path] = (),
    training: int = 0,
) -> ManifestFacts:
    """Train the active adapter on one task with one method's loss. Returns the facts for the archive's manifest.

    `label` is the method of the run, `loss` the row of the table of losses: LUMoE trains its experts by another's.
    `earlier` are the folders of earlier tasks' adapters, where these are others than the active one. `training` counts
    the adapter's earlier trainings on this task.
    """
    # Of method, task and training alone, so that a run with fewer methods or a resumed one draws the same numbers.
    seed = step_seed(ctx.config.seed, label, task.name, *([training] if training else []))
    done = unlearn(
        ctx.mllm,
        make_method(loss, LOSSES.resolve(loss), settings.options),
        fit_samples(task.forget, settings),
        fit_samples(task.retain, settings),
        ctx.benchmark,
        settings,
        seed=seed,
        work=ctx.run.work,
        label=f"{label}: unlearning {task.name}",
        earlier=earlier,
    )
    facts: ManifestFacts = {
        "task": task.name,
        "method": label,
        "loss": loss,
        "base": base_id(ctx.mllm.name),
        "base_revision": ctx.mllm.revision,
        "base_sha256": ctx.mllm.weight_hashes(),
        "versions": writing_versions(),
        "data_sha256": data_hash(task, settings),
        "seed": seed,
        "train": done.as_record(),
        "settings": settings.model_dump(mode="json", exclude={"per_method"}),
        "entities": [e.key for e in task.forget_entities],
    }
    # Only where there are any, so that other manifests stay as they were.
    if ctx.config.model.plugins:
        facts["base_plugins"] = ctx.config.model.plugins
    if ctx.mllm.quantization != "none":
        facts["base_quantization"] = ctx.mllm.quantization
    return facts


class Saved(Protocol):
    """What writes files into the folder of an archive: a gate, what the second look compares with."""

    def save(self, folder: Path) -> None: ...


def archive(
    ctx: Context,
    label: str,
    task: Task,
    adapter: str,
    facts: ManifestFacts,
    beside: Sequence[Saved] = (),
) -> None:
    """Write the state after the task as RUN/models/LABEL/TASK: the adapter, and what goes with it."""

    def write() -> None:
        def manifest_facts() -> ManifestFacts:
            # Asked for at the end: the modules are read from the weights that were written.
            return {**facts, "modules": modules_of(tensors_in(out / WEIGHTS))}

        with whole_dir(ctx.run.archive(label, task.name), manifest_facts) as out:
            save_adapter(ctx.mllm, adapter, out)
            for saved in beside:
                saved.save(out)

    processes.written(write)
