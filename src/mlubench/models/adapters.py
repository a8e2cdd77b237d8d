"""LoRA adapters on one base in memory: make, load, mount, save and remove. Nothing is ever copied or merged."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig as PeftLora
from peft import PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer, LoraModel
from peft.utils import ModulesToSaveWrapper, load_peft_weights, set_peft_model_state_dict
from peft.utils.constants import DUMMY_TARGET_MODULES
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from torch.utils._pytree import PyTree, tree_map

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import disk_errors
from mlubench.models.families import lora_targets, parts_in, whole_modules
from mlubench.models.mllm import MLLM
from mlubench.settings.training import LoraConfig
from mlubench.types import Part, Scope


def add_adapter(
    mllm: MLLM, name: str, lora: LoraConfig, scope: Scope, *, seed: int, full: Sequence[Part] = ()
) -> None:
    """Mount a fresh adapter and make it the only trainable thing. It changes no output until it is trained.

    The parts of the scope are trained by LoRA. Those in `full` are trained whole: PEFT trains and saves a copy of them.
    What is trained is float32, also on a half-precision base, where small steps would be lost.
    Raises UsageError for a part in `full` that is sharded or quantised.
    """
    if mllm.sharded and "language" in full:
        raise UsageError(
            "train.full=language cannot be trained on a sharded base",
            "Train it by LoRA, or without FSDP.",
        )
    if mllm.quantization != "none" and "language" in full:
        raise UsageError(
            f"train.full=language cannot be trained on a base in {mllm.quantization}",
            "Train it by LoRA, or load it by -s model.quantization=none.",
        )
    torch.manual_seed(seed)  # LoRA's A matrices are drawn at random
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
    # They are off where earlier adapters were mounted for an answer.
    mllm.model.base_model.enable_adapter_layers()
    _train_copies_in_float32(mllm, name)
    mllm.model.set_adapter(name)


def train_over(mllm: MLLM, held: str, trained: str) -> None:
    """Have two mounted adapters answer as their sum, of which the second alone is trained."""
    mllm.model.base_model.set_adapter([held, trained])
    for name, parameter in mllm.model.named_parameters():
        # PEFT makes what it activates trainable.
        if f".{held}." in name:
            parameter.requires_grad_(False)


def join_adapters(mllm: MLLM, names: Sequence[str], into: str, scope: Scope) -> None:
    """Mount the exact sum of these LoRA adapters as one, whose rank and alpha are theirs added up."""
    rank = sum(mllm.model.peft_config[name].r for name in names)
    alpha = sum(mllm.model.peft_config[name].lora_alpha for name in names)
    add_adapter(mllm, into, LoraConfig(r=rank, alpha=alpha), scope, seed=0)
    layers = [module for module in mllm.base.modules() if isinstance(module, LoraLayer)]
    with torch.no_grad():
        for layer in layers:
            a_matrices = []
            b_matrices = []
            for name in names:
                a_matrices.append(layer.lora_A[name].weight)
                # Scaled, so that adapters of another alpha / r than the sum's count as they did.
                scale = layer.scaling[name] / layer.scaling[into]
                b_matrices.append(scale * layer.lora_B[name].weight)
            layer.lora_A[into].weight.copy_(torch.cat(a_matrices, 0))
            layer.lora_B[into].weight.copy_(torch.cat(b_matrices, 1))


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
        if trainable and _train_copies_in_float32(mllm, name):
            # PEFT has rounded the copies to the base's precision, so they are read once more.
            weights = load_peft_weights(str(folder), device="cpu")
            set_peft_model_state_dict(mllm.model, weights, name)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise MlubenchError(
            f"adapter {folder} cannot be mounted: {error}", "Delete it and run again."
        ) from error
    mllm.model.eval()


def _train_copies_in_float32(mllm: MLLM, name: str) -> bool:
    """Bring the parts that the adapter trains whole to float32, as PEFT does with LoRA. True where one was not."""
    any_converted = False
    for wrapper in _whole_part_wrappers(mllm.base):
        if name not in wrapper.modules_to_save:
            continue
        trained_copy = wrapper.modules_to_save[name]
        if _is_below_float32(trained_copy):
            _convert_to_float32(trained_copy)
            any_converted = True
    return any_converted


def _is_below_float32(module: nn.Module) -> bool:
    return any(p.is_floating_point() and p.dtype != torch.float32 for p in module.parameters())


def _convert_to_float32(module: nn.Module) -> None:
    """Compute the module in float32. Its inputs and outputs keep the precision of the layers around it."""
    outer_dtype = next(module.parameters()).dtype

    def inputs_to_float32(_: nn.Module, args: PyTree, kwargs: PyTree) -> PyTree:
        return _cast((args, kwargs), torch.float32)

    def output_to_outer_dtype(_: nn.Module, args: PyTree, output: PyTree) -> PyTree:
        return _cast(output, outer_dtype)

    module.float()
    module.register_forward_pre_hook(inputs_to_float32, with_kwargs=True)
    module.register_forward_hook(output_to_outer_dtype)


def _whole_part_wrappers(model: nn.Module) -> list[ModulesToSaveWrapper]:
    """PEFT's wrappers around modules that some adapter trains whole. Each holds one copy for each such adapter."""
    return [module for module in model.modules() if isinstance(module, ModulesToSaveWrapper)]


def _cast(values: PyTree, dtype: torch.dtype) -> PyTree:
    """The same structure with its floating-point tensors in this precision."""

    def cast_one(value: object) -> object:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return value.to(dtype)
        return value

    return tree_map(cast_one, values)


def save_adapter(mllm: MLLM, name: str, folder: Path) -> None:
    """Write the adapter as PEFT does (adapter_config.json, adapter_model.safetensors) straight into `folder`."""
    state = get_peft_model_state_dict(mllm.model, adapter_name=name, save_embedding_layers=False)
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    with disk_errors(folder, SafetensorError):
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = copy.copy(mllm.model.peft_config[name])
    settings.base_model_name_or_path = mllm.name
    # PEFT notes the folder that the base was loaded from. Where it lies on this machine is nobody else's business.
    if Path(mllm.name).is_absolute():
        settings.base_model_name_or_path = Path(mllm.name).name
    settings.save_pretrained(folder)


def remove_adapters(mllm: MLLM) -> None:
    """Take every adapter off; the base's own layers come back as they were."""
    if not isinstance(mllm.model, PeftModel):
        return
    base = mllm.base
    # A list, since the modules change under the loop.
    for name, module in list(base.named_modules()):
        # PEFT's unloading would leave the trained copy in the place of the original.
        if isinstance(module, ModulesToSaveWrapper):
            base.set_submodule(name, module.original_module)
    mllm.model = mllm.model.unload()
    mllm.model.requires_grad_(False)
    mllm.model.eval()


@contextmanager
def mounted(
    mllm: MLLM, names: Sequence[str], weights: Mapping[str, float] | None = None
) -> Iterator[None]:
    """Answer with exactly the sum of these adapters; with none, the untouched base. Switched off again at the end.

    `weights` are factors on the adapters' deltas, 1 for those not named.
    Raises MlubenchError for an adapter that is not there, and for adapters that have no sum (see `reason_without_sum`).
    """
    if not names:
        with mllm.adapters_off():
            yield
        return
    present = getattr(mllm.model, "peft_config", {})
    absent = [name for name in names if name not in present]
    # PEFT would pass over an absent one, and the base would answer in its place.
    if absent:
        raise MlubenchError(
            f"no adapter {', '.join(map(repr, absent))} is on the base",
            f"There are: {', '.join(present) or 'none'}.",
        )
    reason = reason_without_sum(mllm, names, weights)
    if reason is not None:
        raise MlubenchError(reason, "Leave train.full empty, so that the part is trained by LoRA.")
    tuner = mllm.model.base_model
    tuner.enable_adapter_layers()
    try:
        with _scaled(tuner, _factors(names, weights)):
            tuner.set_adapter(list(names))
            # PEFT makes what it activates trainable; answering never trains.
            mllm.model.requires_grad_(False)
            yield
    finally:
        tuner.disable_adapter_layers()


def _factors(names: Sequence[str], weights: Mapping[str, float] | None) -> dict[str, float]:
    """The weights that change anything: of the named adapters, those that are not 1."""
    given = weights or {}
    return {name: given[name] for name in names if given.get(name, 1) != 1}


def reason_without_sum(
    mllm: MLLM, names: Sequence[str], weights: Mapping[str, float] | None = None
) -> str | None:
    """Why these adapters cannot be added up with these weights; None where they can, as all can that are LoRA alone.

    A part trained whole is a copy, not a delta. Two copies of one part have no sum, and one copy has no weight.
    """
    factors = _factors(names, weights)
    if len(names) < 2 and not factors:
        return None
    wrappers = _whole_part_wrappers(mllm.base)
    for name in factors:
        if any(name in wrapper.modules_to_save for wrapper in wrappers):
            return f"adapter {name!r} has trained a part whole, which has no weight"
    for wrapper in wrappers:
        copies = [name for name in names if name in wrapper.modules_to_save]
        if len(copies) > 1:
            return f"adapters {', '.join(names)} have each trained a part whole, and copies have no sum"
    return None


@contextmanager
def _scaled(tuner: LoraModel, factors: Mapping[str, float]) -> Iterator[None]:
    """Multiply the adapters' LoRA scales by these factors meanwhile. Every scale comes back as it was."""
    layers = [module for module in tuner.modules() if isinstance(module, LoraLayer)]
    scales_before = [dict(layer.scaling) for layer in layers]
    try:
        for layer in layers:
            for name, factor in factors.items():
                # An adapter of a narrower scope has no scale in the other parts' layers.
                if name in layer.scaling:
                    layer.scaling[name] *= factor
        yield
    finally:
        # The scales are put back, not divided: a division would not give the same number.
        for layer, scales in zip(layers, scales_before, strict=True):
            layer.scaling.update(scales)
