"""One batch for the base and for any experts: hooks on the base's linear layers add to each row what its experts say.

Rows for the base come first and are not touched. The matrices of the other rows are put together once a batch, in blocks of
rows that share one, so that a step of generation is two batched products a layer, whatever the number of experts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.residents import Residents
from mlubench.lumoe.engine.stacked import Layout, joined, linear
from mlubench.models.mllm import MLLM
from mlubench.models.picture_tokens import enters_as_tokens

# The experts of a row and the factors on them; none is the base.
WeightedExperts = tuple[tuple[str, float], ...]
# Bytes that the matrices of one batch may take, on top of the experts' own.
ROOM = 8 * 2**30
# So many times the rows of a batch a step may compute, so that rows can share matrices.
PADDING = 2.0


class RowGroup(NamedTuple):
    """Neighbouring rows of a batch that need the same experts."""

    needs: WeightedExperts
    rows: int


class BlockRows(NamedTuple):
    """Rows `start` to `stop` of a batch, which all have the matrix of block `block` (and of further, equal blocks)."""

    start: int
    stop: int
    block: int


@dataclass(frozen=True, slots=True)
class Padding:
    """How rows fill blocks of equally many, where the experts have not the same number of rows."""

    # The row of the batch that fills each place in the blocks; the last of a group fills what is left over.
    row_of_place: Tensor  # (C * rows of a block,)
    # In which place each row lies, so that padded ones are dropped again.
    place_of_row: Tensor  # (stop - start,)
    groups: tuple[BlockRows, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RowDeltas:
    """What is added to rows `start` to `stop` of a batch, times `factor`."""

    start: int
    stop: int
    # C blocks of equally many rows, each with a matrix of its own.
    stacked: Tensor  # (C, layout's rows, R)
    layout: Layout
    factor: float = 1.0
    # None where rows fill the blocks as they lie in the batch.
    padding: Padding | None = None

    def matrices(self, module: str) -> tuple[Tensor, Tensor]:
        """A transposed (C, in, R) and B transposed (C, R, out) of one layer, as views."""
        span = self.layout.spans[module]
        a = self.stacked[:, span.inputs : span.outputs]
        b = self.stacked[:, span.outputs : span.end].mT
        return a, b

    def add(self, x: Tensor, out: Tensor, a: Tensor, b: Tensor) -> None:
        """Add factor * x @ a @ b to `out` in place: x (B, S, in), out (B, S, out)."""
        if self.padding is None:
            self._add_in_place(x, out, a, b)
        elif x.shape[1] == 1:
            # A step of generation: how much memory is read counts, not how much is computed.
            self._add_padded(x, out, a, b, self.padding)
        else:
            # The prompt: here it is the other way round, so no row is computed twice.
            self._add_by_group(x, out, a, b, self.padding)

    def _add_in_place(self, x: Tensor, out: Tensor, a: Tensor, b: Tensor) -> None:
        blocks = len(a)
        x_blocks = x[self.start : self.stop].reshape(blocks, -1, x.shape[-1])
        out_blocks = out[self.start : self.stop].view(blocks, -1, out.shape[-1])
        low = torch.bmm(x_blocks, a)
        out_blocks.baddbmm_(low, b, alpha=self.factor)

    def _add_padded(self, x: Tensor, out: Tensor, a: Tensor, b: Tensor, padding: Padding) -> None:
        x_blocks = x.index_select(0, padding.row_of_place).view(len(a), -1, x.shape[-1])
        low = torch.bmm(x_blocks, a)
        added = torch.bmm(low, b).view(-1, 1, out.shape[-1]).index_select(0, padding.place_of_row)
        out[self.start : self.stop].add_(added, alpha=self.factor)

    def _add_by_group(self, x: Tensor, out: Tensor, a: Tensor, b: Tensor, padding: Padding) -> None:
        for start, stop, block in padding.groups:
            low = x[start:stop].reshape(-1, x.shape[-1]) @ a[block]
            rows = out[start:stop].view(-1, out.shape[-1])
            rows.addmm_(low, b[block], alpha=self.factor)


@contextmanager
def mixed(mllm: MLLM, experts: Residents, needs: Sequence[WeightedExperts]) -> Iterator[None]:
    """Answer a batch whose row n needs `needs[n]`: those of the base first, and equal needs side by side.

    Nothing stays on the base, however the batch ends. MlubenchError for an expert that cannot be read back from its folder.
    """
    deltas = plan(experts, needs)
    # Where pictures are no tokens, the text's own layers look at their tiles.
    tiles = not enters_as_tokens(mllm.base)
    handles = []
    try:
        for module in sorted({module for part in deltas for module in part.layout.spans}):
            layer = linear(mllm, module)
            if layer is None:
                raise MlubenchError(
                    f"{mllm.name} has no linear layer {module}",
                    "Load the base that it was made for.",
                )
            parts = [part for part in deltas if module in part.layout.spans]
            hook = _hook(parts, module, len(needs), tiles=tiles)
            handles.append(layer.register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(
    deltas: Sequence[RowDeltas], module: str, rows: int, *, tiles: bool
) -> Callable[..., None]:
    """The hook on one layer. `tiles`: what it is given may be a picture's tiles, several for each row of the batch."""
    # The views are made once a batch, not once a token.
    work = [(part, *part.matrices(module)) for part in deltas]

    def add(_: object, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        x = inputs[0]  # (B, S, in)
        if tiles and x.shape[0] % rows == 0:
            # A query's tiles lie below one another: all are its row.
            x = x.reshape(rows, -1, x.shape[-1])
            out = out.view(rows, -1, out.shape[-1])
        if x.shape[0] != rows:
            raise MlubenchError(
                f"a batch of {x.shape[0]} rows was routed as {rows}", "Answer what was routed."
            )
        for part, a, b in work:
            part.add(x, out, a, b)

    return add


def plan(experts: Residents, needs: Sequence[WeightedExperts]) -> list[RowDeltas]:
    """What is added to the rows of a batch, in one piece where the copies that this takes find room.

    Otherwise, and where one expert is all there is, each expert's rows are a piece of their own, and nothing is copied.
    """
    groups = [RowGroup(same, len(list(rows))) for same, rows in groupby(needs)]
    first_row = 0
    if groups and not groups[0].needs:
        first_row = groups.pop(0).rows
    distinct = {group.needs for group in groups}
    if len(distinct) < len(groups) or () in distinct:
        raise ValueError("the rows of a batch are not in the order of their needs")
    if not groups:
        return []
    alone = len(groups) == 1 and len(groups[0].needs) == 1
    if alone:
        return _by_expert(experts, groups, first_row)
    return _in_one_piece(experts, groups, first_row) or _by_expert(experts, groups, first_row)


def _by_expert(experts: Residents, groups: Sequence[RowGroup], first_row: int) -> list[RowDeltas]:
    """A piece for each expert of each group, on the experts' own matrices."""
    deltas = []
    start = first_row
    for needs, rows in groups:
        for name, factor in needs:
            matrix = experts.matrix(name)
            stacked = matrix.values[None]  # (1, layout's rows, R)
            deltas.append(RowDeltas(start, start + rows, stacked, matrix.layout, factor))
        start += rows
    return deltas


def _in_one_piece(
    experts: Residents, groups: Sequence[RowGroup], first_row: int
) -> list[RowDeltas]:
    """One piece for all rows, in blocks that share a copy of their experts' matrices. Empty where it is too large."""
    ranks: dict[WeightedExperts, int] = {}
    layouts: list[Layout] = []
    for needs, _ in groups:
        shapes = [experts.shape(name) for name, _ in needs]
        # Several experts stand side by side, column by column.
        ranks[needs] = sum(shape.rank for shape in shapes)
        layouts += [shape.layout for shape in shapes]
    layout = joined(layouts)
    rank = max(ranks.values())
    counts = [group.rows for group in groups]
    block_rows = shared_by(counts)
    blocks = sum(_blocks(count, block_rows) for count in counts)
    dtype = experts.mllm.base.dtype
    device = experts.mllm.device
    if blocks * rank * layout.rows * dtype.itemsize > ROOM:
        return []
    # Zeros are needed only where some expert leaves rows or columns free.
    all_filled = all(r == rank for r in ranks.values()) and all(x == layout for x in layouts)
    make = torch.empty if all_filled else torch.zeros
    stacked = make((blocks, layout.rows, rank), dtype=dtype, device=device)
    _fill(stacked, experts, layout, groups, block_rows)
    stop = first_row + sum(counts)
    padding = _padding(counts, block_rows, first_row, device)
    return [RowDeltas(first_row, stop, stacked, layout, padding=padding)]


def _blocks(rows: int, block_rows: int) -> int:
    """How many blocks so many rows fill, the last one perhaps in part."""
    return -(-rows // block_rows)


def _fill(
    stacked: Tensor,
    experts: Residents,
    layout: Layout,
    groups: Sequence[RowGroup],
    block_rows: int,
) -> None:
    """Write the experts of each group side by side into its blocks; columns that are left over stay zero."""
    block = 0
    for needs, rows in groups:
        column = 0
        for name, factor in needs:
            matrix = experts.matrix(name)
            matrix.put(stacked[block, :, column : column + matrix.rank], layout, factor)
            column += matrix.rank
        blocks = _blocks(rows, block_rows)
        stacked[block + 1 : block + blocks] = stacked[block]
        block += blocks


def shared_by(counts: Sequence[int]) -> int:
    """How many rows a block has, where the groups have `counts` rows.

    The fewest blocks win, as then the least memory is read, unless `PADDING` says that too much is computed in vain.
    """
    best = 1
    fewest = sum(counts)
    for block_rows in range(2, max(counts) + 1):
        blocks = sum(_blocks(count, block_rows) for count in counts)
        if blocks < fewest and blocks * block_rows <= PADDING * sum(counts):
            best = block_rows
            fewest = blocks
    return best


def _padding(
    counts: Sequence[int], block_rows: int, first_row: int, device: torch.device
) -> Padding | None:
    """How groups of `counts` rows, the first at `first_row`, fill blocks; None where they do so as they lie."""
    if all(count % block_rows == 0 for count in counts):
        return None
    row_of_place: list[int] = []
    place_of_row: list[int] = []
    groups: list[BlockRows] = []
    for count in counts:
        start = first_row + len(place_of_row)
        places = _blocks(count, block_rows) * block_rows
        groups.append(BlockRows(start, start + count, len(row_of_place) // block_rows))
        place_of_row += range(len(row_of_place), len(row_of_place) + count)
        row_of_place += [start + min(place, count - 1) for place in range(places)]
    return Padding(
        torch.tensor(row_of_place, device=device),
        torch.tensor(place_of_row, device=device),
        tuple(groups),
    )
