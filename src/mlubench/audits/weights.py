"""What whoever holds the weights may do to them: round, prune, disturb, or train on. All of it is undone afterwards."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.models.answers import IGNORE, answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query

LR = 1e-3
BATCH = 8

Change = Callable[[Tensor], Tensor]
Lesson = TypeVar("Lesson")


def _rounded(bits: int) -> Change:
    """Each row to so many bits, with one scale a row, as plain rounding quantises."""
    levels = 2 ** (bits - 1) - 1

    def change(weight: Tensor) -> Tensor:
        scale = weight.abs().amax(-1, keepdim=True).clamp_min(1e-12) / levels
        return (weight / scale).round() * scale

    return change


def _pruned(share: float) -> Change:
    """The smallest so many of a matrix become 0."""

    def change(weight: Tensor) -> Tensor:
        count = int(share * weight.numel())
        if not count:
            return weight
        least = weight.abs().flatten().kthvalue(count).values
        return weight.masked_fill(weight.abs() <= least, 0)

    return change


def _disturbed(size: float) -> Change:
    """Gaussian noise of so many standard deviations of the matrix; always the same."""

    def change(weight: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(weight.numel())
        noise = torch.randn(weight.shape, generator=rng).to(weight)
        return weight + size * weight.std() * noise

    return change


# By the names that `attacks/weights.py` uses.
CHANGES: Mapping[str, Change] = {
    "int8": _rounded(8),
    "int4": _rounded(4),
    "pruned 30%": _pruned(0.3),
    "noise 10%": _disturbed(0.1),
}


@contextmanager
def changed(weights: Sequence[Tensor], name: str) -> Iterator[None]:
    """Inside, every matrix is changed as `name` says; afterwards each is what it was."""
    before = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.copy_(CHANGES[name](weight.detach().float()))
        yield
    finally:
        with torch.no_grad():
            for weight, old in zip(weights, before, strict=True):
                weight.copy_(old)


@contextmanager
def trained(weights: Sequence[Tensor], loss: Callable[[int], Tensor], steps: int) -> Iterator[None]:
    """Inside, `weights` were trained by AdamW on the loss of each step; afterwards each is what it was."""
    before = [weight.detach().clone() for weight in weights]
    for weight in weights:
        weight.requires_grad_(True)
    try:
        optimiser = torch.optim.AdamW(weights, lr=LR, weight_decay=0.0)
        for step in range(steps):
            loss(step).backward()
            optimiser.step()
            optimiser.zero_grad()
        yield
    finally:
        with torch.no_grad():
            for weight, old in zip(weights, before, strict=True):
                weight.copy_(old)
        for weight in weights:
            weight.requires_grad_(False)


def batch_of(lessons: Sequence[Lesson], step: int) -> Sequence[Lesson]:
    """The lessons of a step, which come round again."""
    start = step * BATCH % max(1, len(lessons))
    return lessons[start : start + BATCH]


def answer_loss(mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]) -> Tensor:
    """The mean loss over the answers' tokens."""
    logits, labels = answer_logits(mllm.model, mllm.encode(queries, answers))
    return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORE)
