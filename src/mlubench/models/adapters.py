"""LoRA adapters on one base in memory: make, load, mount, save and remove. Nothing is ever copied or merged."""

import copy as copying
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig as PeftLora
from peft import PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper, load_peft_weights, set_peft_model_state_dict
from peft.utils.constants import DUMMY_TARGET_MODULES
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from torch.utils._pytree import tree_map

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import disk_errors
from mlubench.models.families import lora_targets, parts_in, whole_modules
from mlubench.models.mllm import MLLM
from mlubench.settings.training import LoraConfig
from mlubench.types import Part, Scope


def add_adapter(
    mllm: MLLM, name: str, lora: LoraConfig, scope: Scope, *, seed: int, full: Sequence[Part] = ()
) -> None:
    """Mount a fresh adapter, which changes no output until it is trained, and make it the only trainable thing.

    Parts of the scope are trained by LoRA, those in `full` whole: PEFT trains and saves a copy of them. What is trained is
    float32 also on a half-precision base, where small steps would be lost. UsageError for a part that is sharded.
    """
    if mllm.sharded and "language" in full:
        raise UsageError(
            "train.full=language cannot be trained on a sharded base",
            "Train it by LoRA, or without FSDP.",
        )
    torch.manual_seed(seed)
    by_lora = [part for part in parts_in(scope) if part not in full]
    settings = PeftLora(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora_targets(mllm.base, by_lora) or DUMMY_TARGET_MODULES,
        modules_to_save=whole_modules(mllm.base, full) or None,
    )
    if isinstance(mllm.model, PeftModel):
        mllm.model.add_adapter(name, settings)
    else:
        mllm.model = get_peft_model(mllm.model, settings, adapter_name=name)
    mllm.model.base_model.enable_adapter_layers()
    _copies_in_full(mllm, name)
    mllm.model.set_adapter(name)


def load_adapter(mllm: MLLM, name: str, folder: Path, *, trainable: bool = False) -> None:
    """Mount a saved adapter under `name`, beside those that are there. Raises MlubenchError when it does not fit."""
    try:
        if isinstance(mllm.model, PeftModel):
            mllm.model.load_adapter(
                folder, name, is_trainable=trainable, autocast_adapter_dtype=trainable
            )
        else:
            mllm.model = PeftModel.from_pretrained(
                mllm.model,
                folder,
                adapter_name=name,
                is_trainable=trainable,
                autocast_adapter_dtype=trainable,
            )
        if trainable and _copies_in_full(
            mllm, name
        ):  # PEFT has rounded them to the base's precision
            set_peft_model_state_dict(
                mllm.model, load_peft_weights(str(folder), device="cpu"), name
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise MlubenchError(
            f"adapter {folder} cannot be mounted: {error}", "Delete it and run again."
        ) from error
    mllm.model.eval()


def _copies_in_full(mllm: MLLM, name: str) -> bool:
    """Bring what the adapter trains whole to float32, as PEFT brings its LoRA. True where that was needed."""
    copies = [m.modules_to_save[name] for m in _wrappers(mllm.base) if name in m.modules_to_save]
    half = [
        c
        for c in copies
        if any(p.is_floating_point() and p.dtype != torch.float32 for p in c.parameters())
    ]
    for copy in half:
        around = next(copy.parameters()).dtype
        copy.float()
        copy.register_forward_pre_hook(
            lambda _, args, named: _cast((args, named), torch.float32), with_kwargs=True
        )
        copy.register_forward_hook(lambda _, args, out, around=around: _cast(out, around))
    return bool(half)


def _wrappers(model: nn.Module) -> list[Any]:
    return [m for m in model.modules() if isinstance(m, ModulesToSaveWrapper)]


def _cast(values: Any, dtype: torch.dtype) -> Any:
    """The same structure with its floating-point tensors in this precision."""
    return tree_map(
        lambda x: x.to(dtype) if isinstance(x, torch.Tensor) and x.is_floating_point() else x,
        values,
    )


def save_adapter(mllm: MLLM, name: str, folder: Path) -> None:
    """Write the adapter as PEFT does (adapter_config.json, adapter_model.safetensors) straight into `folder`."""
    state = get_peft_model_state_dict(mllm.model, adapter_name=name, save_embedding_layers=False)
    tensors = {k: v.detach().cpu().contiguous() for k, v in state.items()}
    with disk_errors(folder, SafetensorError):
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    # PEFT notes the folder that the base was loaded from, which is nobody else's business.
    settings = copying.copy(mllm.model.peft_config[name])
    settings.base_model_name_or_path = (
        Path(mllm.name).name if Path(mllm.name).is_absolute() else mllm.name
    )
    settings.save_pretrained(folder)


def remove_adapters(mllm: MLLM) -> None:
    """Take every adapter off; the base's own layers come back as they were."""
    if isinstance(mllm.model, PeftModel):
        base = mllm.base
        for name, module in list(base.named_modules()):
            if isinstance(
                module, ModulesToSaveWrapper
            ):  # PEFT's unloading would leave the trained copy in its place
                base.set_submodule(name, module.original_module)
        mllm.model = mllm.model.unload()
        mllm.model.requires_grad_(False)
        mllm.model.eval()


@contextmanager
def mounted(
    mllm: MLLM, names: Sequence[str], weights: Mapping[str, float] | None = None
) -> Iterator[None]:
    """Answer with exactly the sum of these adapters; with none, the untouched base. Switched off again at the end.

    `weights` are factors on the adapters' deltas, 1 for those not named. Raises MlubenchError for an adapter that is not
    there (PEFT would pass over it), and where parts trained whole would have to be added up: copies have no sum.
    """
    if not names:
        with mllm.adapters_off():
            yield
        return
    there = getattr(mllm.model, "peft_config", {})
    if absent := [name for name in names if name not in there]:
        raise MlubenchError(
            f"no adapter {', '.join(map(repr, absent))} is on the base",
            f"There are: {', '.join(there) or 'none'}.",
        )
    if why := no_sum(mllm, names, weights):
        raise MlubenchError(why, "Leave train.full empty, so that the part is trained by LoRA.")
    tuner = mllm.model.base_model
    tuner.enable_adapter_layers()
    try:
        with _weighted(tuner, {n: w for n, w in (weights or {}).items() if n in names and w != 1}):
            tuner.set_adapter(list(names))
            # PEFT makes what it activates trainable; answering never trains.
            mllm.model.requires_grad_(False)
            yield
    finally:
        tuner.disable_adapter_layers()


def no_sum(
    mllm: MLLM, names: Sequence[str], weights: Mapping[str, float] | None = None
) -> str | None:
    """Why these adapters cannot be added up with these weights; None where they can, as all can that are LoRA alone."""
    wrappers = _wrappers(mllm.base)
    for name in names:
        if (weights or {}).get(name, 1) != 1 and any(name in m.modules_to_save for m in wrappers):
            return f"adapter {name!r} has trained a part whole, which has no weight"
    if any(sum(name in m.modules_to_save for name in names) > 1 for m in wrappers):
        return f"adapters {', '.join(names)} have each trained a part whole, and copies have no sum"
    return None


@contextmanager
def _weighted(tuner: Any, weights: Mapping[str, float]) -> Iterator[None]:
    """Multiply the adapters' scales meanwhile. Every scale comes back as it was."""
    layers = [m for m in tuner.modules() if isinstance(m, LoraLayer)]
    before = [dict(layer.scaling) for layer in layers]
    try:
        for layer in layers:
            layer.scaling.update(
                {n: layer.scaling[n] * w for n, w in weights.items() if n in layer.scaling}
            )
        yield
    finally:
        for layer, scales in zip(layers, before, strict=True):
            layer.scaling.update(scales)
