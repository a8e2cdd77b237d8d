"""One batch for the base and for any experts: hooks on the base's linear layers add to each row what its experts say.

Rows for the base come first and are not touched. The matrices of the other rows are put together once a batch, in blocks of
rows that share one, so that a step of generation is two batched products a layer, whatever the number of experts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.residents import Residents
from mlubench.lumoe.engine.stacked import Layout, joined, linear
from mlubench.models.mllm import MLLM

Need = tuple[
    tuple[str, float], ...
]  # the experts of a row and the factors on them; none is the base
ROOM = 8 * 2**30  # bytes that the matrices of one batch may take beside the experts' own
PADDING = (
    2.0  # so many times the rows of a batch a step may compute, for the sake of sharing matrices
)


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Rows `start` to `stop` of a batch and what is added to them: `stacked` (C, layout's rows, R), times `factor`.

    They are C blocks of equally many rows, each with a matrix of its own. Where experts have not the same number of rows,
    `take` lists the rows that fill the blocks, some twice, and `back` where each row then lies; `groups` says from which
    row to which each expert has them, and its first block.
    """

    start: int
    stop: int
    stacked: Tensor
    layout: Layout
    factor: float = 1.0
    take: Tensor | None = None
    back: Tensor | None = None
    groups: tuple[tuple[int, int, int], ...] = ()

    def parts(self, module: str) -> tuple[Tensor, Tensor]:
        """A transposed (C, in, R) and B transposed (C, R, out) of one layer, as views."""
        start, outputs, end = self.layout.spans[module]
        return self.stacked[:, start:outputs], self.stacked[:, outputs:end].mT

    def add(self, x: Tensor, out: Tensor, a: Tensor, b: Tensor) -> None:
        """Add factor * x @ a @ b to `out` in place: x (B, S, in), out (B, S, out)."""
        blocks, inputs, outputs = len(a), x.shape[-1], out.shape[-1]
        if self.take is None or self.back is None:
            rows, mine = x[self.start : self.stop], out[self.start : self.stop]
            low = torch.bmm(rows.reshape(blocks, -1, inputs), a)
            mine.view(blocks, -1, outputs).baddbmm_(low, b, alpha=self.factor)
        elif x.shape[1] == 1:  # a step of generation: what is read counts, not what is computed
            low = torch.bmm(x.index_select(0, self.take).view(blocks, -1, inputs), a)
            added = torch.bmm(low, b).view(-1, 1, outputs).index_select(0, self.back)
            out[self.start : self.stop].add_(added, alpha=self.factor)
        else:
            for start, stop, block in self.groups:
                low = x[start:stop].reshape(-1, inputs) @ a[block]
                out[start:stop].view(-1, outputs).addmm_(low, b[block], alpha=self.factor)


@contextmanager
def mixed(mllm: MLLM, experts: Residents, needs: Sequence[Need]) -> Iterator[None]:
    """Answer a batch whose rows have these needs, those of the base first and equal ones side by side.

    Nothing stays on the base, however the batch ends. MlubenchError for an expert that cannot be read back from its folder.
    """
    stretches = plan(experts, needs)
    handles = []
    try:
        for module in sorted({m for s in stretches for m in s.layout.spans}):
            layer = linear(mllm, module)
            if layer is None:
                raise MlubenchError(
                    f"{mllm.name} has no linear layer {module}",
                    "Load the base that it was made for.",
                )
            work = [(s, *s.parts(module)) for s in stretches if module in s.layout.spans]
            handles.append(layer.register_forward_hook(_hook(work, len(needs))))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(work: list[tuple[Stretch, Tensor, Tensor]], rows: int) -> Callable[..., None]:
    def add(_: object, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        x = inputs[0]
        if x.shape[0] != rows:
            raise MlubenchError(
                f"a batch of {x.shape[0]} rows was routed as {rows}", "Answer what was routed."
            )
        for stretch, a, b in work:
            stretch.add(x, out, a, b)

    return add


def plan(experts: Residents, needs: Sequence[Need]) -> list[Stretch]:
    """What is added to the rows of a batch: one stretch, where the copies that this takes find room.

    Otherwise, and where one expert is all there is, each expert's rows are a stretch of their own, and nothing is copied.
    """
    groups: list[tuple[Need, int]] = [(need, len(list(rows))) for need, rows in groupby(needs)]
    base = groups.pop(0)[1] if groups and not groups[0][0] else 0
    if len({need for need, _ in groups}) < len(groups) or any(not need for need, _ in groups):
        raise ValueError("the rows of a batch are not in the order of their needs")
    if not groups:
        return []
    held = {name: experts.shape(name) for need, _ in groups for name, _ in need}
    layout = joined(layout for _, layout in held.values())
    rank = max(sum(held[name][0] for name, _ in need) for need, _ in groups)
    share = shared_by([rows for _, rows in groups])
    blocks = sum(-(-rows // share) for _, rows in groups)
    if (
        len(groups[0][0]) == len(groups) == 1
        or blocks * rank * layout.rows * experts.mllm.base.dtype.itemsize > ROOM
    ):
        return _each_apart(experts, groups, base)
    shape, kind, where = (blocks, layout.rows, rank), experts.mllm.base.dtype, experts.mllm.device
    filled = all(sum(held[name][0] for name, _ in need) == rank for need, _ in groups)
    even = filled and all(other == layout for _, other in held.values())
    stacked = (torch.empty if even else torch.zeros)(shape, dtype=kind, device=where)
    _fill(stacked, experts, layout, groups, share)
    stop = base + sum(rows for _, rows in groups)
    places = _places([rows for _, rows in groups], share, base, experts.mllm.device)
    return [Stretch(base, stop, stacked, layout, 1.0, *places)]


def _each_apart(
    experts: Residents, groups: Sequence[tuple[Need, int]], start: int
) -> list[Stretch]:
    stretches = []
    for need, rows in groups:
        for name, factor in need:
            matrix = experts.matrix(name)
            stretches.append(
                Stretch(start, start + rows, matrix.values[None], matrix.layout, factor)
            )
        start += rows
    return stretches


def _fill(
    stacked: Tensor,
    experts: Residents,
    layout: Layout,
    groups: Sequence[tuple[Need, int]],
    share: int,
) -> None:
    """Write each need's matrices side by side into its blocks; columns that are left over stay zero."""
    block = 0
    for need, rows in groups:
        column = 0
        for name, factor in need:
            matrix = experts.matrix(name)
            matrix.put(stacked[block, :, column : column + matrix.rank], layout, factor)
            column += matrix.rank
        blocks = -(-rows // share)
        stacked[block + 1 : block + blocks] = stacked[block]
        block += blocks


def shared_by(counts: Sequence[int]) -> int:
    """How many rows a block has: what makes the fewest blocks, so the least is read, without much computed in vain."""
    best, fewest = 1, sum(counts)
    for share in range(2, max(counts) + 1):
        blocks = sum(-(-count // share) for count in counts)
        if blocks < fewest and blocks * share <= PADDING * sum(counts):
            best, fewest = share, blocks
    return best


def _places(
    counts: Sequence[int], share: int, first: int, device: torch.device
) -> tuple[Tensor | None, Tensor | None, tuple[tuple[int, int, int], ...]]:
    """`take`, `back` and `groups` of a stretch that begins at row `first`; nothing where rows lie in blocks as they are."""
    if all(count % share == 0 for count in counts):
        return None, None, ()
    take: list[int] = []
    back: list[int] = []
    groups: list[tuple[int, int, int]] = []
    for count in counts:
        row = first + len(back)
        groups.append((row, row + count, len(take) // share))
        back += range(len(take), len(take) + count)
        take += [row + min(n, count - 1) for n in range(-(-count // share) * share)]
    return torch.tensor(take, device=device), torch.tensor(back, device=device), tuple(groups)
