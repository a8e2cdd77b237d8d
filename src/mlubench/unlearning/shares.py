"""A batch shared by several processes: each runs its items, and the loss is that of the whole batch, as in one process.

Means over tokens do not average: a process with short answers would weigh too much. So what a loss looks at is gathered
from all, each works out the same loss, and gradients, which flow through its own rows alone, are summed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from mlubench.core import processes
from mlubench.unlearning.feed import Feed, Item
from mlubench.unlearning.forward import Step
from mlubench.unlearning.methods.base import Kind, View


@dataclass(frozen=True, slots=True)
class Share:
    """One process's items of a batch. If `idle`, the batch had none for it, and these are run for company only."""

    items: Sequence[Item]
    idle: bool = False


def shares(items: Sequence[Item], batch: int) -> list[Share]:
    """The share of each process in each batch, in the order in which a data loader deals them out to processes."""
    world, found = processes.world(), []
    for start in range(0, len(items), batch):
        whole = items[start : start + batch]
        for rank in range(world):
            mine = whole[rank::world]
            found.append(Share(mine or whole[:1], idle=not mine))
    return found


def collator(feed: Feed) -> Callable[[list[Share]], dict[str, Any]]:
    """Makes the step of the one share that a data loader hands over."""

    def collate(dealt: list[Share]) -> dict[str, Any]:
        (share,) = dealt
        step: Step = feed(share.items)["step"]
        return {"step": step, "idle": share.idle}

    return collate


def joined(views: dict[Kind, View], *, idle: bool) -> dict[Kind, View]:
    """The views of the whole batch. Fields that are None stay so: a method asks the same of every process."""
    return (
        views
        if processes.world() == 1
        else {kind: _joined(view, idle) for kind, view in views.items()}
    )


def _joined(view: View, idle: bool) -> View:
    filled = {f.name: value for f in fields(view) if (value := getattr(view, f.name)) is not None}
    sizes = processes.gathered(
        (0 if idle else len(view.logps), {n: t.shape[1] for n, t in filled.items() if t.ndim > 1})
    )
    rows = [n for n, _ in sizes]
    return View(
        **{
            n: processes.rows_of_all(t, rows, max(w.get(n, 0) for _, w in sizes))
            for n, t in filled.items()
        }
    )


def to_backward(loss: Tensor, own: dict[Kind, View], *, idle: bool) -> Tensor:
    """What gives the whole batch's gradient once the processes' gradients have been averaged, as is usual."""
    if idle:  # its parameters must take part, with nothing
        loss = loss + 0 * sum(view.logps.sum() for view in own.values())
    return loss * processes.world()
