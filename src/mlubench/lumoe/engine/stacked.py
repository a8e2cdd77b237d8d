"""An expert as one matrix: a row for each input and each output of every linear layer that it changes, a column a rank.

So experts of any rank are put together by putting their columns side by side, and what a layer needs of them is a range of
rows, which lies in memory in one piece.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch
from peft import LoraConfig
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.experts.compress import lora_scale
from mlubench.lumoe.experts.manifest import PREFIX, WEIGHTS, tensors_in
from mlubench.models.mllm import MLLM

# How a LoRA's two tensors of a module end.
LORA_A = ".lora_A.weight"
LORA_B = ".lora_B.weight"


class Width(NamedTuple):
    """One linear layer: its name and how many inputs and outputs it has."""

    module: str
    inputs: int
    outputs: int


class Span(NamedTuple):
    """The rows of one layer in a stacked matrix: inputs from `inputs` to `outputs`, outputs from there to `end`."""

    inputs: int
    outputs: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Which rows of a stacked matrix belong to which layer. Equal widths make equal layouts."""

    widths: tuple[Width, ...]
    spans: Mapping[str, Span] = field(compare=False)
    # Of all layers together.
    rows: int = field(compare=False)


class Shape(NamedTuple):
    """Of an expert's matrix: `layout.rows` rows and `rank` columns."""

    rank: int
    layout: Layout


# Kept, since every batch of the same experts asks for the same joined layout.
@lru_cache(maxsize=64)
def layout_of(widths: tuple[Width, ...]) -> Layout:
    """The layout in which these layers follow one another."""
    spans = {}
    start = 0
    for module, inputs, outputs in widths:
        spans[module] = Span(start, start + inputs, start + inputs + outputs)
        start += inputs + outputs
    return Layout(widths, MappingProxyType(spans), start)


def joined(layouts: Iterable[Layout]) -> Layout:
    """The layout that has room for all of these."""
    widths = {width for layout in layouts for width in layout.widths}
    return layout_of(tuple(sorted(widths)))


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """One expert as a matrix."""

    # Of each layer A transposed (in, r), and then B (out, r) times the LoRA's scale.
    values: Tensor  # (rows, r)
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
            for module, source in self.layout.spans.items():
                target = layout.spans[module]
                into[target.inputs : target.end] = self.values[source.inputs : source.end]
        if factor != 1:
            for module in self.layout.spans:
                target = layout.spans[module]
                into[target.outputs : target.end] *= factor


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

    Others are mounted by PEFT. Rows of the vision part are tiles or patches, not queries, and what is trained whole is no
    sum. So are all experts of a sharded base, whose passes need the same hooks in every process.
    """
    if mllm.sharded:
        return False
    for key in tensors_in(folder / WEIGHTS):
        if not key.endswith((LORA_A, LORA_B)):
            return False
        module = key.removeprefix(PREFIX).removesuffix(LORA_A).removesuffix(LORA_B)
        if mllm.parts.part_of(module) != "language" or linear(mllm, module) is None:
            return False
    return True


def shape_of(folder: Path) -> Shape:
    """Rank and layout of the expert in `folder`, from the header of its weights."""
    shapes = {
        key.removeprefix(PREFIX): shape for key, shape in tensors_in(folder / WEIGHTS).items()
    }
    modules = sorted(key.removesuffix(LORA_A) for key in shapes if key.endswith(LORA_A))
    # A is (r, in) and B is (out, r).
    widths = [Width(m, shapes[m + LORA_A][1], shapes[m + LORA_B][0]) for m in modules]
    rank = max(shapes[m + LORA_A][0] for m in modules)
    return Shape(rank, layout_of(tuple(widths)))


def read_matrix(mllm: MLLM, folder: Path) -> Matrix:
    """The expert in `folder`, in the base's precision and on its device. MlubenchError where it cannot be read."""
    rank, layout = shape_of(folder)
    try:
        config = LoraConfig.from_pretrained(str(folder))
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise MlubenchError(
            f"expert {folder} cannot be read: {error}", "Import it again from a good copy."
        ) from error
    # Columns beyond a layer's own rank stay zero.
    values = torch.zeros(layout.rows, rank, dtype=mllm.base.dtype)
    for module, span in layout.spans.items():
        a = tensors[PREFIX + module + LORA_A]  # (r, in)
        b = tensors[PREFIX + module + LORA_B]  # (out, r)
        own_rank = len(a)
        scale = lora_scale(config, module, own_rank)
        values[span.inputs : span.outputs, :own_rank] = a.mT
        values[span.outputs : span.end, :own_rank] = b * scale
    return Matrix(values.to(mllm.device), layout)
