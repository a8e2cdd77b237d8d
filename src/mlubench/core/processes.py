"""Several processes on one run, as `torchrun` starts them: who leads, what all agree on, and what each has made.

Every function here works in a single process too, where it does nothing but call what it is given. Torch is imported only
where there are several, since commands that merely look at a run's folder use this file and should start fast.

In the functions that exchange something, all processes must take part, in the same order: one that is left out waits.
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
# How many processes there are and which one this is. `start` sets them; the defaults are those of a process alone.
_here = {"world": 1, "rank": 0}
# How long processes wait for each other. The leader may train a base, or judge, while the others wait.
PATIENCE = timedelta(days=2)


def start() -> None:
    """Join the other processes that `torchrun` started, if it did. Calling it again changes nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or world() > 1:
        return
    import torch
    import torch.distributed as dist

    # Gloo exchanges what lies on the CPU, NCCL what lies on GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    _here.update(world=dist.get_world_size(), rank=dist.get_rank())


def stop() -> None:
    """Leave the others, once there is nothing more to agree on."""
    if world() > 1:
        import torch.distributed as dist

        dist.destroy_process_group()
        # The group for objects went with the rest.
        _object_group.cache_clear()
        _here.update(world=1, rank=0)


def world() -> int:
    """How many processes share the run."""
    return _here["world"]


def rank() -> int:
    """The number of this process, from 0."""
    return _here["rank"]


@cache
def _object_group() -> "ProcessGroup":
    """The group that exchanges Python objects, over the CPU: NCCL would need a GPU for each process even for these."""
    import torch.distributed as dist

    return dist.new_group(backend="gloo", timeout=PATIENCE)


def leads() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


def agreed(make: Callable[[], T]) -> T:
    """What `make` returns to the leader, sent to all. The others do not call it.

    Every decision that rests on files is made so: a file may come or go between one process's look and another's.
    """
    if world() == 1:
        return make()
    import torch.distributed as dist

    # The list is how torch takes and returns the object.
    found = [make() if leads() else None]
    dist.broadcast_object_list(found, group=_object_group())
    return found[0]  # type: ignore[return-value]


def written(write: Callable[[], object]) -> None:
    """Have the leader write; all go on once that is done."""

    def write_alone() -> None:
        # What it returns is dropped, as all would have to be sent it.
        write()

    agreed(write_alone)


@contextmanager
def leader_first() -> Iterator[None]:
    """The leader goes through the block alone, then the others: they find in the cache what it has put there."""
    # One exchange of nothing: the others come to it before the block, the leader after it. So they wait for the leader.
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

    # Torch fills the list in place, by rank.
    found: list[T] = [mine] * world()
    dist.all_gather_object(found, mine, group=_object_group())
    return found


def rows_of_all(mine: "Tensor", rows: list[int], width: int) -> "Tensor":
    """The rows of all processes, by rank: `mine` (B, ...) becomes (sum of `rows`, ...).

    `rows` says how many rows of each process count. A second dimension is filled up with zeros to `width`.
    Gradients flow through this process's own rows alone. Each process so works out its part of the gradient, and the
    trainer's sum over the processes is the whole.
    """
    import torch
    import torch.distributed as dist

    own = _filled_up(mine, width)[: rows[rank()]]  # (rows of this process, width, ...)
    # All processes have to send tensors of one shape, so that each sends as many rows as the one that has most.
    block = own.new_zeros((max(rows), *own.shape[1:]))
    block[: len(own)] = own.detach()
    # Not every backend takes booleans.
    sent = block.to(torch.uint8) if block.dtype == torch.bool else block
    received = [torch.empty_like(sent) for _ in rows]
    dist.all_gather(received, sent)
    parts = []
    for part, count in zip(received, rows, strict=True):
        parts.append(part.to(own.dtype)[:count])
    # What was received is a copy without gradients.
    parts[rank()] = own
    return torch.cat(parts)


def _filled_up(tensor: "Tensor", width: int) -> "Tensor":
    """The tensor (B, W, ...) with zeros behind it in the second dimension: (B, `width`, ...)."""
    import torch

    if tensor.ndim < 2 or tensor.shape[1] == width:
        return tensor
    missing = tensor.new_zeros((tensor.shape[0], width - tensor.shape[1], *tensor.shape[2:]))
    return torch.cat([tensor, missing], 1)
