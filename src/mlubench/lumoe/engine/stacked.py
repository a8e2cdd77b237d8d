"""An expert as one matrix: a row for each input and each output of every linear layer that it changes, a column a rank.

So experts of any rank are put together by putting their columns side by side, and what a layer needs of them is a range of
rows, which lies in memory in one piece.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from peft import LoraConfig
from peft.utils.other import get_pattern_key
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.experts.manifest import PREFIX, WEIGHTS, tensors_in
from mlubench.models.mllm import MLLM

ENDS = (".lora_A.weight", ".lora_B.weight")
Widths = tuple[tuple[str, int, int], ...]  # module, inputs, outputs


@dataclass(frozen=True, slots=True)
class Layout:
    """Which rows are whose: `spans[module]` is where its inputs begin, where its outputs begin, and where these end."""

    widths: Widths
    spans: Mapping[str, tuple[int, int, int]] = field(compare=False)
    rows: int = field(compare=False)


@lru_cache(maxsize=64)
def layout_of(widths: Widths) -> Layout:
    spans, start = {}, 0
    for module, inputs, outputs in widths:
        spans[module] = start, start + inputs, start + inputs + outputs
        start += inputs + outputs
    return Layout(widths, MappingProxyType(spans), start)


def joined(layouts: Iterable[Layout]) -> Layout:
    """The layout that has room for all of these."""
    return layout_of(tuple(sorted({width for layout in layouts for width in layout.widths})))


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """One expert: `values` is (rows, r), of each module A transposed (in, r) and then B (out, r) times the scale."""

    values: Tensor
    layout: Layout

    @property
    def rank(self) -> int:
        return self.values.shape[1]

    @property
    def bytes(self) -> int:
        return self.values.numel() * self.values.element_size()

    def put(self, into: Tensor, layout: Layout, factor: float) -> None:
        """Write the expert, its outputs times the factor, into a matrix (rows, r) that lies as `layout` says."""
        if layout == self.layout:
            into.copy_(self.values)
        else:
            for module, (start, _, end) in self.layout.spans.items():
                there = layout.spans[module]
                into[there[0] : there[2]] = self.values[start:end]
        if factor != 1:
            for module in self.layout.spans:
                _, outputs, end = layout.spans[module]
                into[outputs:end] *= factor


def linear(mllm: MLLM, module: str) -> nn.Linear | None:
    """The base's own linear layer of that name, also beneath an adapter; None where it is no such layer."""
    try:
        found = mllm.base.get_submodule(module)
    except AttributeError:
        return None
    found = getattr(found, "base_layer", found)
    return found if isinstance(found, nn.Linear) else None


def can_stack(mllm: MLLM, folder: Path) -> bool:
    """Whether the expert in `folder` is a LoRA of linear layers of the language model and nothing else.

    Others are mounted by PEFT: rows of the vision part are tiles or patches, and what is trained whole is no sum. So are
    those of a sharded base, whose passes need the same hooks in every process.
    """
    keys = list(tensors_in(folder / WEIGHTS))
    modules = {
        key.removeprefix(PREFIX).removesuffix(end)
        for key in keys
        for end in ENDS
        if key.endswith(end)
    }
    plain = all(key.endswith(ENDS) for key in keys) and not mllm.sharded
    return plain and all(
        mllm.parts.part_of(m) == "language" and linear(mllm, m) is not None for m in modules
    )


def shape_of(folder: Path) -> tuple[int, Layout]:
    """Rank and layout of the expert in `folder`, from the header of its weights."""
    shapes = {
        key.removeprefix(PREFIX): shape for key, shape in tensors_in(folder / WEIGHTS).items()
    }
    modules = sorted(key.removesuffix(ENDS[0]) for key in shapes if key.endswith(ENDS[0]))
    widths = tuple((m, shapes[m + ENDS[0]][1], shapes[m + ENDS[1]][0]) for m in modules)
    return max(shapes[m + ENDS[0]][0] for m in modules), layout_of(widths)


def read_matrix(mllm: MLLM, folder: Path) -> Matrix:
    """The expert in `folder`, in the base's precision and on its device. MlubenchError where it cannot be read."""
    rank, layout = shape_of(folder)
    try:
        config, tensors = LoraConfig.from_pretrained(str(folder)), load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise MlubenchError(
            f"expert {folder} cannot be read: {error}", "Import it again from a good copy."
        ) from error
    values = torch.zeros(layout.rows, rank, dtype=mllm.base.dtype)
    for module, (start, outputs, end) in layout.spans.items():
        a, b = (tensors[PREFIX + module + end] for end in ENDS)
        values[start:outputs, : len(a)] = a.mT
        values[outputs:end, : len(a)] = b * _scale(config, module, len(a))
    return Matrix(values.to(mllm.device), layout)


def _scale(config: Any, module: str, rank: int) -> float:
    """What PEFT multiplies B @ A by."""
    alphas = config.alpha_pattern or {}
    alpha = alphas.get(get_pattern_key(alphas.keys(), module), config.lora_alpha)
    return float(alpha / (rank**0.5 if config.use_rslora else rank))
