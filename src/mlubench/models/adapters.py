"""LoRA adapters on one base in memory: make, load, mount, save and remove. Nothing is ever copied or merged."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig as PeftLora
from peft import PeftModel, get_peft_model, get_peft_model_state_dict
from peft.utils.constants import DUMMY_TARGET_MODULES
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor

from mlubench.artifacts import disk_errors
from mlubench.config import LoraConfig
from mlubench.errors import MlubenchError
from mlubench.models.hf import MLLM
from mlubench.models.parts import lora_targets, parts_in, whole_modules
from mlubench.types import Part, Scope


def add_adapter(mllm: MLLM, name: str, lora: LoraConfig, scope: Scope, *, seed: int, full: Sequence[Part] = ()) -> None:
    """Mount a fresh adapter, which changes no output until it is trained, and make it the only trainable thing.

    Parts of the scope are trained by LoRA, those in `full` whole: PEFT trains and saves a copy of them. What is trained is
    float32 also on a half-precision base, where small steps would be lost.
    """
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
    mllm.model.set_adapter(name)


def load_adapter(mllm: MLLM, name: str, folder: Path, *, trainable: bool = False) -> None:
    """Mount a saved adapter under `name`, beside those that are there. Raises MlubenchError when it does not fit."""
    try:
        if isinstance(mllm.model, PeftModel):
            mllm.model.load_adapter(folder, name, is_trainable=trainable, autocast_adapter_dtype=trainable)
        else:
            mllm.model = PeftModel.from_pretrained(
                mllm.model, folder, adapter_name=name, is_trainable=trainable, autocast_adapter_dtype=trainable
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise MlubenchError(f"adapter {folder} cannot be mounted: {error}", "Delete it and run again.") from error
    mllm.model.eval()


def adapter_state(mllm: MLLM, name: str) -> dict[str, torch.Tensor]:
    """The adapter's tensors by PEFT's names, whole and on the CPU. Where it is sharded, all processes must ask."""
    state = get_peft_model_state_dict(mllm.model, adapter_name=name, save_embedding_layers=False)
    whole = {k: v.full_tensor() if isinstance(v, DTensor) else v for k, v in state.items()}
    return {k: v.detach().cpu().contiguous() for k, v in whole.items()}


def save_adapter(mllm: MLLM, name: str, folder: Path, state: dict[str, torch.Tensor] | None = None) -> None:
    """Write the adapter as PEFT does (adapter_config.json, adapter_model.safetensors) straight into `folder`."""
    tensors = adapter_state(mllm, name) if state is None else state
    with disk_errors(folder, SafetensorError):
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    mllm.model.peft_config[name].save_pretrained(folder)


def remove_adapters(mllm: MLLM) -> None:
    """Take every adapter off; the base's own layers come back as they were."""
    if isinstance(mllm.model, PeftModel):
        mllm.model = mllm.model.unload()
        mllm.model.requires_grad_(False)
        mllm.model.eval()


@contextmanager
def mounted(mllm: MLLM, names: Sequence[str]) -> Iterator[None]:
    """Answer with exactly the sum of these adapters; with none, the untouched base. Switched off again at the end."""
    if not names:
        with mllm.adapters_off():
            yield
        return
    tuner = mllm.model.base_model
    tuner.enable_adapter_layers()
    tuner.set_adapter(list(names))
    # PEFT makes what it activates trainable; answering never trains.
    mllm.model.requires_grad_(False)
    try:
        yield
    finally:
        tuner.disable_adapter_layers()
