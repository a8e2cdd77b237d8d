"""A group's one adapter, compressed from its members or trained anew on all that they were trained on."""

from pathlib import Path

from typing_extensions import TypedDict

from mlubench.core.files import MANIFEST, is_whole, whole_dir
from mlubench.core.reading import read_json, read_json_as_it_stands
from mlubench.experiment.context import Context
from mlubench.experiment.training import train
from mlubench.lumoe.experts.merge_plan import Group, Plan, merge
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.adapters import add_adapter, remove_adapters, save_adapter
from mlubench.runs.manifest import ManifestFacts
from mlubench.settings.training import LoraConfig
from mlubench.types import Task
from mlubench.unlearning.schedule import step_seed


class _Merged(TypedDict):
    """What is read of the manifest of a compressed sum, before it is an expert."""

    error: float


class _Distilled(TypedDict):
    """What is read of the manifest of a distilled adapter, before it is an expert."""

    told: ManifestFacts


def make_adapter(
    ctx: Context, store: ExpertStore, group: Group, plan: Plan, out: Path
) -> ManifestFacts:
    """The group's adapter as a PEFT folder, made now unless an interrupted call has.

    What its manifest is to say of that: `relative_error` of a merged one, the training of a distilled one.
    """
    if plan.method == "svd":
        if not is_whole(out):
            merge(store, group, plan.scale, out)
        return {"relative_error": read_json(out / MANIFEST, _Merged)["error"]}
    if not is_whole(out):
        _distil(ctx, group, out)
    return read_json_as_it_stands(out / MANIFEST, _Distilled)["told"]


def _distil(ctx: Context, group: Group, out: Path) -> None:
    """One fresh expert, trained by the run's expert method on all that the group's experts were trained to forget."""
    tasks = [ctx.benchmark.task(name) for name in group.experts]
    union = Task(
        group.name,
        forget=tuple(sample for task in tasks for sample in task.forget),
        retain=tuple(sample for task in tasks for sample in task.retain),
    )
    settings = ctx.config.train.for_method("lumoe")
    # As strong as the members: alpha / r, the factor on the adapter's output, stays what it was.
    lora = LoraConfig(
        r=group.rank,
        alpha=max(1, round(settings.lora.alpha * group.rank / settings.lora.r)),
        dropout=settings.lora.dropout,
    )
    settings = settings.model_copy(update={"lora": lora})
    remove_adapters(ctx.mllm)
    seed = step_seed(ctx.config.seed, "lumoe", group.name, "init")
    add_adapter(ctx.mllm, group.name, lora, settings.scope, seed=seed, full=settings.full)
    facts = train(ctx, ctx.config.lumoe.expert, "lumoe", union, settings)
    told: ManifestFacts = {
        "train": facts["train"],
        "settings": facts["settings"],
        "data_sha256": facts["data_sha256"],
        "loss": facts["loss"],
        "seed": facts["seed"],
    }
    with whole_dir(out, {"told": told}) as folder:
        save_adapter(ctx.mllm, group.name, folder)
    remove_adapters(ctx.mllm)
