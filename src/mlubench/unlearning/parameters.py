"""What is trained of a model: its parameters by name, by learning rate, and as they were before."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

import torch
from torch import Tensor, nn

from mlubench.models.families import Parts
from mlubench.models.mllm import MLLM
from mlubench.settings.training import TrainConfig


class ParameterGroup(TypedDict):
    """A group of parameters as torch's optimisers take it."""

    params: list[nn.Parameter]
    lr: float
    weight_decay: float


def trained_parameters(mllm: MLLM) -> dict[str, int]:
    """Numbers of trainable parameters by name, with `*` for the numbers of layers and the adapter's name left out."""
    counts: Counter[str] = Counter()
    for name, parameter in mllm.model.named_parameters():
        if parameter.requires_grad:
            plain = name.removeprefix("base_model.model.")
            plain = re.sub(r"(lora_[AB]|modules_to_save)\.[^.]+", r"\1", plain)
            plain = re.sub(r"\.\d+\.", ".*.", plain)
            counts[plain] += parameter.numel()
    return dict(sorted(counts.items()))


def parameter_groups(model: nn.Module, parts: Parts, config: TrainConfig) -> list[ParameterGroup]:
    """AdamW's groups: the learning rate of each part, and no weight decay on biases and norms."""
    groups: dict[tuple[float, float], ParameterGroup] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        part = parts.part_of(name) or "language"
        lr = config.part_lr.get(part, config.lr)
        # Biases and the scales of norms are vectors.
        weight_decay = config.weight_decay if parameter.ndim > 1 else 0.0
        new: ParameterGroup = {"params": [], "lr": lr, "weight_decay": weight_decay}
        group = groups.setdefault((lr, weight_decay), new)
        group["params"].append(parameter)
    return list(groups.values())


@contextmanager
def negated_change(mllm: MLLM, factor: float) -> Iterator[None]:
    """Train within; at a good end each parameter is put at start - factor x (trained - start).

    Every LoRA's A is held meanwhile. The change of a LoRA is B A - B0 A0; with A held it is (B - B0) A, linear in what
    is trained, so that what is subtracted is exact.
    """
    held: list[nn.Parameter] = []
    before: list[tuple[nn.Parameter, Tensor]] = []
    for name, parameter in mllm.model.named_parameters():
        if parameter.requires_grad and ".lora_A." in name:
            held.append(parameter.requires_grad_(False))
        elif parameter.requires_grad:
            before.append((parameter, parameter.detach().clone()))
    try:
        yield
        with torch.no_grad():
            for parameter, start in before:
                parameter.copy_(start - factor * (parameter - start))
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
