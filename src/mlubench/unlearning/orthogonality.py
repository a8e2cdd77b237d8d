"""Orthogonality: how far an adapter reads the same of its inputs as earlier ones do, as a term of the loss.

A LoRA adds B A x to what a linear layer says of x, so the rows of A (r, in) are the directions of x that it reads.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from peft.utils import load_peft_weights
from torch import Tensor, nn

from mlubench.models.mllm import MLLM

# In a saved adapter the matrix goes by no adapter's name; in a model it does.
_SAVED = ".lora_A.weight"
_MOUNTED = re.compile(r"\.lora_A\.[^.]+\.weight$")


def overlap(a: Tensor, earlier: Tensor) -> Tensor:
    """The sum of the squared products of all rows of `a` (r, in) with all rows of `earlier` (R, in): |earlier a^T|^2."""
    return (earlier @ a.T).square().sum()


class EarlierDirections:
    """The directions that earlier adapters read, beside those of the adapter that is trained."""

    def __init__(self, mllm: MLLM, folders: Sequence[Path]) -> None:
        """`folders` hold the earlier adapters, as PEFT saves them."""
        rows: dict[str, list[Tensor]] = {}
        for folder in folders:
            for name, weight in load_peft_weights(str(folder), device="cpu").items():
                if name.endswith(_SAVED):
                    rows.setdefault(name, []).append(weight)
        # Each trained A, and the rows of all earlier A of its layer.
        self.pairs: list[tuple[nn.Parameter, Tensor]] = []
        for name, parameter in mllm.model.named_parameters():
            saved_name = _MOUNTED.sub(_SAVED, name)
            if parameter.requires_grad and saved_name in rows:
                self.pairs.append((parameter, torch.cat(rows[saved_name]).to(parameter)))

    def overlap(self) -> Tensor:
        """That of all layers, added up; 0 where there are no earlier adapters."""
        total = torch.zeros(())
        for a, earlier in self.pairs:
            total = total.to(a.device) + overlap(a, earlier)
        return total
