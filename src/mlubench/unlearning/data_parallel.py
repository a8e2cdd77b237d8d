"""A batch shared by several processes: each runs its items, and the loss is that of the whole batch, as in one process.

Means over tokens do not average: a process with short answers would weigh too much. So what a loss looks at is gathered
from all, and each process works out the same loss. Gradients flow through a process's own rows alone, and are summed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TypedDict

from torch import Tensor

from mlubench.core import processes
from mlubench.unlearning.batches import Step
from mlubench.unlearning.methods.base import AnswerKind, View
from mlubench.unlearning.schedule import Item
from mlubench.unlearning.steps import StepBuilder


@dataclass(frozen=True, slots=True)
class Share:
    """One process's items of a batch."""

    items: Sequence[Item]
    # The batch has fewer items than there are processes, and none for this one. Its items are another's: it runs them
    # because all processes must take part in every pass, and they count for nothing.
    idle: bool = False


class TrainerInputs(TypedDict):
    """What transformers' Trainer hands to `compute_loss`: it wants a dictionary."""

    step: Step
    idle: bool


def shares(items: Sequence[Item], batch: int) -> list[Share]:
    """The share of each process in each batch, in the order in which a data loader deals them out to processes."""
    world = processes.world()
    dealt: list[Share] = []
    for start in range(0, len(items), batch):
        whole = items[start : start + batch]
        for rank in range(world):
            mine = whole[rank::world]
            if mine:
                dealt.append(Share(mine))
            else:
                dealt.append(Share(whole[:1], idle=True))
    return dealt


def collator(steps: StepBuilder) -> Callable[[list[Share]], TrainerInputs]:
    """Makes the step of the one share that a data loader hands over."""

    def collate(dealt: list[Share]) -> TrainerInputs:
        (share,) = dealt
        return {"step": steps.build(share.items), "idle": share.idle}

    return collate


def join_views(views: dict[AnswerKind, View], *, idle: bool) -> dict[AnswerKind, View]:
    """The views of the whole batch, from those of this process's share."""
    if processes.world() == 1:
        return views
    return {kind: _join_view(view, idle) for kind, view in views.items()}


def _join_view(view: View, idle: bool) -> View:
    # A field that is None is so in every process: a method asks the same of all.
    mine: dict[str, Tensor] = {}
    for field in fields(view):
        value = getattr(view, field.name)
        if value is not None:
            mine[field.name] = value
    # Processes have different numbers of rows, and answers of different lengths.
    row_count = 0 if idle else len(view.logps)
    widths = {name: tensor.shape[1] for name, tensor in mine.items() if tensor.ndim > 1}
    sizes = processes.gathered((row_count, widths))
    row_counts = [count for count, _ in sizes]
    joined: dict[str, Tensor] = {}
    for name, tensor in mine.items():
        width = max(other_widths.get(name, 0) for _, other_widths in sizes)
        joined[name] = processes.rows_of_all(tensor, row_counts, width)
    return View(**joined)


def loss_to_backward(loss: Tensor, views: dict[AnswerKind, View], *, idle: bool) -> Tensor:
    """What gives the whole batch's gradient once the processes' gradients have been averaged, as is usual.

    `views` are this process's own.
    """
    if idle:
        # DistributedDataParallel waits for a gradient of every parameter: this gives it zeros.
        loss = loss + 0 * sum(view.logps.sum() for view in views.values())
    # The processes' gradients must be summed. They will be averaged, so each is made as many times larger.
    return loss * processes.world()
