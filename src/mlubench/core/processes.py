"""Several processes on one run, as `torchrun` starts them: who leads, what all agree on, and what each has made.

One process alone is the same with nobody else: nothing here then costs anything, and torch is not even imported, as what
only looks at a run's folder asks here too.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed import ProcessGroup

T = TypeVar("T")
_here = {"world": 1, "rank": 0}
PATIENCE = timedelta(days=2)  # the leader may train a base, or judge, while the others wait


def start() -> None:
    """Join the other processes that `torchrun` started, if it did. Calling it again changes nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or world() > 1:
        return
    import torch
    import torch.distributed as dist

    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE
    )
    _here.update(world=dist.get_world_size(), rank=dist.get_rank())


def stop() -> None:
    """Leave the others, once there is nothing more to agree on."""
    if world() > 1:
        import torch.distributed as dist

        dist.destroy_process_group()
        _objects.cache_clear()
        _here.update(world=1, rank=0)


def world() -> int:
    """How many processes share the run."""
    return _here["world"]


def rank() -> int:
    """The number of this process, from 0."""
    return _here["rank"]


@cache
def _objects() -> "ProcessGroup":
    """A group on the CPU for what is not a tensor."""
    import torch.distributed as dist

    return dist.new_group(backend="gloo", timeout=PATIENCE)


def leads() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


def agreed(make: Callable[[], T]) -> T:
    """What the leader makes of it, told to all. For every decision that rests on files: these change while others look."""
    if world() == 1:
        return make()
    import torch.distributed as dist

    told = [make() if leads() else None]
    dist.broadcast_object_list(told, group=_objects())
    return told[0]  # type: ignore[return-value]


def written(write: Callable[[], object]) -> None:
    """The leader writes; all go on once that is done."""

    def write_and_tell_nothing() -> None:
        write()

    agreed(write_and_tell_nothing)


@contextmanager
def leader_first() -> Iterator[None]:
    """The leader goes through the block alone, then the others: they find in the cache what it has put there."""
    if not leads():
        agreed(lambda: None)
    yield
    if leads():
        agreed(lambda: None)


def gathered(mine: T) -> list[T]:
    """What each process has, by rank. Tensors in it should be on the CPU."""
    if world() == 1:
        return [mine]
    import torch.distributed as dist

    found: list[T] = [mine] * world()  # overwritten, each with its own
    dist.all_gather_object(found, mine, group=_objects())
    return found


def rows_of_all(mine: "Tensor", rows: list[int], width: int) -> "Tensor":
    """The rows (B, ...) of all processes by rank, (sum of `rows`, ...); a second dimension is brought to `width`.

    Gradients flow through this process's own rows alone: each process works out its part, and the sum is the whole.
    `rows` says how many rows of each process count.
    """
    import torch
    import torch.distributed as dist

    own = _widened(mine, width)[: rows[rank()]]
    block = own.new_zeros((max(rows), *own.shape[1:]))
    block[: len(own)] = own.detach()
    sent = block.to(torch.uint8) if block.dtype == torch.bool else block
    found = [torch.empty_like(sent) for _ in rows]
    dist.all_gather(found, sent)
    parts = [part.to(own.dtype)[:n] for part, n in zip(found, rows, strict=True)]
    parts[rank()] = own
    return torch.cat(parts)


def _widened(tensor: "Tensor", width: int) -> "Tensor":
    import torch

    if tensor.ndim < 2 or tensor.shape[1] == width:
        return tensor
    missing = tensor.new_zeros((tensor.shape[0], width - tensor.shape[1], *tensor.shape[2:]))
    return torch.cat([tensor, missing], 1)
