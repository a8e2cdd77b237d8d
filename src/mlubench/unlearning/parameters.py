"""What is trained of a model: its parameters by name, by learning rate, as they were before, and whether to keep them."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

import torch
from torch import Tensor, nn

from mlubench.core.errors import MlubenchError
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
def real_training(mllm: MLLM, label: str) -> Iterator[None]:
    """Train within. Raises MlubenchError where the trained parameters are then no numbers, or exactly as they were.

    Such a state is none to archive: the one answers nothing, and the other is the model of before under a new name.
    """
    before = _bits(mllm)
    yield
    broken = [
        name
        for name, parameter in _trainable(mllm)
        if not bool(torch.isfinite(parameter.detach()).all())
    ]
    if broken:
        raise MlubenchError(
            f"{label}: {len(broken)} trained parameters are no numbers any more (first: {broken[0]})",
            "Lower train.lr.",
        )
    if torch.equal(_bits(mllm), before):
        raise MlubenchError(
            f"{label}: the training changed nothing, no parameter is another than before",
            "Lower train.warmup_ratio (the warm-up's first step has a rate of 0), or raise train.lr or train.epochs.",
        )


def _trainable(mllm: MLLM) -> Iterator[tuple[str, nn.Parameter]]:
    for name, parameter in mllm.model.named_parameters():
        if parameter.requires_grad:
            yield name, parameter


# Integers of the same width as a number, whose sum tells whether any bit of a parameter has changed.
_SAME_WIDTH = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def _bits(mllm: MLLM) -> Tensor:
    """The sum (N,) of the bits of each of the N trainable parameters. A copy of them could fill the memory."""
    sums = []
    for _, parameter in _trainable(mllm):
        bits = parameter.detach().view(_SAME_WIDTH[parameter.element_size()])
        sums.append(bits.sum(dtype=torch.int64))
    return torch.stack(sums).cpu()


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
