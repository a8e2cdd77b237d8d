"""Bases whose matrices are held in fewer bits: by bitsandbytes as they are loaded, or saved so by GPTQ, AWQ and others.

At loading only the language model's matrices are brought to fewer bits. The vision tower and the projector stay as they
are, so that gates see the same pictures, and so do the embeddings and the head.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.models.families import Parts, parts_of
from mlubench.settings.model import Quantization

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedConfig

# The packages that read weights which were saved by a method, by its name in config.json. Of others transformers speaks.
_READERS: Mapping[str, tuple[str, ...]] = {
    "bitsandbytes": ("bitsandbytes",),
    "gptq": ("gptqmodel", "optimum"),
    "awq": ("gptqmodel",),
}
# What bitsandbytes asks a layer before it packs.
_PACKS = "support_avx512bf16_for_cpu"
# Weights of so many share one scale in four bits, which is a float32.
BLOCK = 64


def saved_method(config: "PreTrainedConfig") -> str | None:
    """How the weights of a model are saved in fewer bits, as its config.json says; None where they are not."""
    found = getattr(config, "quantization_config", None)
    if found is None:
        return None
    settings = found if isinstance(found, dict) else found.to_dict()
    method = settings.get("quant_method", "bitsandbytes")
    # A member of an enumeration, once transformers has read it.
    return str(getattr(method, "value", method))


def require_readable(path: str | Path, config: "PreTrainedConfig") -> None:
    """Raises MlubenchError, which says what to install, where a package is missing that reads the saved weights."""
    method = saved_method(config)
    needed = _READERS.get(method or "", ())
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise MlubenchError(
            f"model {path} is saved by {method}, and {', '.join(missing)} is missing, which reads it",
            f"Install it: pip install {' '.join(missing)}.",
        )


def require_trainable_weights(path: str | Path, config: "PreTrainedConfig") -> None:
    """Raises MlubenchError for a base that can be asked, but on which nothing is trained here."""
    method = saved_method(config)
    if method not in (None, "bitsandbytes"):
        raise MlubenchError(
            f"model {path} is saved by {method}: it can be asked, but no expert is trained on it here",
            "Train on its full weights, in four bits if need be: -s model.quantization=4bit.",
        )


def require_quantizer(quantization: Quantization) -> None:
    """Raises UsageError where bitsandbytes is wanted and is not there."""
    if quantization != "none" and find_spec("bitsandbytes") is None:
        raise UsageError(
            f"model.quantization={quantization} needs the package bitsandbytes",
            "Install it: pip install 'mlubench[quantized]'.",
        )


def quantizer(
    path: str | Path, config: "PreTrainedConfig", quantization: Quantization, dtype: torch.dtype
) -> "BitsAndBytesConfig | None":
    """What brings the language model's matrices to fewer bits as they are loaded; None where nothing is to.

    Raises UsageError without bitsandbytes, and for a model that is saved in fewer bits already.
    """
    if quantization == "none":
        return None
    require_quantizer(quantization)
    if saved_method(config) is not None:
        raise UsageError(
            f"model {path} is saved by {saved_method(config)} already",
            "Leave model.quantization at none.",
        )
    from transformers import BitsAndBytesConfig

    others = _modules_to_leave(config)
    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=others)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=others,
    )


def _modules_to_leave(config: "PreTrainedConfig") -> list[str]:
    """The parts besides the language model, and the head."""
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    parts = parts_of(model)
    head = model.get_output_embeddings()
    leave = list(parts.modules_of(["vision", "projector"]))
    leave += [name for name, module in model.named_modules() if module is head]
    return leave


def leave_unpacked(model: nn.Module) -> None:
    """Keep bitsandbytes from packing four bits anew where a model is asked on a CPU.

    Through what it packs no gradient flows back, so that a model which was asked once would train its last layers alone.
    """
    for module in model.modules():
        if hasattr(module, _PACKS):
            setattr(module, _PACKS, False)


def packed_matrix(module: nn.Module) -> tuple[int, int] | None:
    """The shape (out, in) of a linear layer's matrix that is held in fewer bits; None for any other module."""
    weight = getattr(module, "weight", None)
    outputs = getattr(module, "out_features", None)
    inputs = getattr(module, "in_features", None)
    if not isinstance(weight, torch.Tensor) or weight.is_floating_point():
        return None
    if not isinstance(outputs, int) or not isinstance(inputs, int):
        return None
    return outputs, inputs


def parameter_count(model: nn.Module) -> int:
    """How many there are. What is packed counts as what it stands for."""
    count = sum(parameter.numel() for parameter in model.parameters())
    for module in model.modules():
        shape = packed_matrix(module)
        if shape is not None:
            held = sum(parameter.numel() for parameter in module.parameters(recurse=False))
            count += shape[0] * shape[1] - held
    return count


def held_bytes(model: nn.Module, parts: Parts, quantization: Quantization) -> int:
    """What the weights of a model take, its language model's matrices held so. Worked out from its shape."""
    total = sum(p.numel() * p.element_size() for p in model.parameters())
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and parts.part_of(name) == "language":
            total -= module.weight.numel() * module.weight.element_size()
            total += _matrix_bytes(module, quantization)
    return total


def _matrix_bytes(layer: nn.Linear, quantization: Quantization) -> int:
    count = layer.weight.numel()
    if quantization == "4bit":
        return count // 2 + 4 * -(-count // BLOCK)
    if quantization == "8bit":
        # A scale for each output.
        return count + 4 * layer.out_features
    return count * layer.weight.element_size()
