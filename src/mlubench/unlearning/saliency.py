"""Weight saliency: only what matters to what must go, more than to what must stay, is trained.

How much a parameter matters to some answers is the square of their NLL's gradient by it, the mean over batches: the
diagonal of the empirical Fisher information.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.models.mllm import MLLM
from mlubench.unlearning.batches import BatchBuilder
from mlubench.unlearning.forward import run_batch
from mlubench.unlearning.losses import mean_nll
from mlubench.unlearning.methods.base import AnswerKind, Method
from mlubench.unlearning.schedule import Item


def salient(forget: Tensor, spared: Tensor, *, threshold: float) -> Tensor:
    """Where a squared gradient on what must go is above 0, and at least `threshold` times that on what is spared."""
    return (forget > 0) & (forget >= threshold * spared)


@contextmanager
def only_salient(
    mllm: MLLM, method: Method, batch_builder: BatchBuilder, items: Sequence[Item], *, batch: int
) -> Iterator[None]:
    """Train within only what is salient by the method's `spares` and `threshold`; all where the method spares nothing.

    What is not salient ends exactly as it was: it gets no gradient, and what weight decay has taken from it is given back.
    Raises MlubenchError where nothing is salient, UsageError on a sharded base.
    """
    if not method.spares:
        yield
        return
    if mllm.sharded:
        # FSDP prepares a pass for `backward` alone, and here gradients are only asked for.
        raise UsageError(
            "a method that moves salient weights alone cannot be trained on a sharded base",
            "Train it without FSDP.",
        )
    parameters = [p for p in mllm.model.parameters() if p.requires_grad]
    forget = squared_gradients(mllm, method, batch_builder, ("forget",), items, batch=batch)
    spared = squared_gradients(mllm, method, batch_builder, method.spares, items, batch=batch)
    masks = []
    for on_forget, on_spared in zip(forget, spared, strict=True):
        masks.append(salient(on_forget, on_spared, threshold=method.threshold))
    if not any(bool(mask.any()) for mask in masks):
        raise MlubenchError(
            f"no parameter matters {method.threshold} times as much to what must go as to what must stay",
            "Lower train.options.threshold.",
        )
    starts = [parameter.detach().clone() for parameter in parameters]
    hooks = [_keep_gradient(p, mask) for p, mask in zip(parameters, masks, strict=True)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    with torch.no_grad():
        for parameter, mask, start in zip(parameters, masks, starts, strict=True):
            parameter.copy_(torch.where(mask, parameter, start))


def _keep_gradient(parameter: nn.Parameter, mask: Tensor) -> torch.utils.hooks.RemovableHandle:
    """Have the parameter's gradient be 0 where the mask is False."""
    return parameter.register_hook(lambda gradient: gradient * mask)


def squared_gradients(
    mllm: MLLM,
    method: Method,
    batch_builder: BatchBuilder,
    kinds: Sequence[AnswerKind],
    items: Sequence[Item],
    *,
    batch: int,
) -> list[Tensor]:
    """Of the NLL of all answers of these kinds, each sample once: a tensor for each trained parameter, in their order.

    Every process works all of it out, so that all of a shared run have the same.
    """
    parameters = [p for p in mllm.model.parameters() if p.requires_grad]
    totals = [torch.zeros_like(p, dtype=torch.float32) for p in parameters]
    passes = 0
    mllm.model.eval()
    for kind in kinds:
        # Epochs repeat samples.
        distinct = list({item[kind].id: item for item in items}.values())
        for start in range(0, len(distinct), batch):
            for packed in batch_builder.build([kind], distinct[start : start + batch]):
                outputs = run_batch(mllm, packed, method)[kind]
                loss = mean_nll(outputs.token_logps, outputs.mask)
                # A pass without pictures leaves the vision part out.
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
                for total, gradient in zip(totals, gradients, strict=True):
                    if gradient is not None:
                        total.add_(gradient.float().square())
                passes += 1
    return [total / passes for total in totals]
