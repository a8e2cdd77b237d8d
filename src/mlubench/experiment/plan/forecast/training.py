"""A training step of a method, counted: its real passes, its real loss and the way back, on the meta device."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from mlubench.experiment.plan.forecast.inputs import Shown, language_inputs
from mlubench.experiment.plan.forecast.texts import TextLengths
from mlubench.models.counting import Count, counted
from mlubench.models.mllm import MLLM
from mlubench.models.packing import can_pack
from mlubench.settings.training import TrainConfig
from mlubench.unlearning.batches import PackedBatch, kinds_by_pass
from mlubench.unlearning.forward import AnswerOutputs, run_batch
from mlubench.unlearning.methods.base import AnswerKind, Method, ReferenceForm, View


def count_step(
    mllm: MLLM, method: Method, settings: TrainConfig, texts: TextLengths, shown: Shown | None
) -> Count:
    """Of one batch of `train.batch` samples of each kind that the method needs, on a model whose adapter is mounted."""
    passes = kinds_by_pass(method.needs, pack=settings.pack and can_pack(mllm.base))
    with _training(mllm, settings), counted(mllm.model) as count:
        views: dict[AnswerKind, View] = {}
        for kinds in passes:
            batch = _batch(mllm, kinds, settings.batch, texts, shown)
            for kind, outputs in run_batch(mllm, batch, method).items():
                views[kind] = _view(outputs, method.reference.get(kind))
        torch.autograd.backward(method.loss(views))
    return count


def count_reference(
    mllm: MLLM, method: Method, settings: TrainConfig, texts: TextLengths, shown: Shown | None
) -> Count:
    """Of what the reference is asked of a batch that is met first."""
    passes = kinds_by_pass(list(method.reference), pack=settings.pack and can_pack(mllm.base))
    with counted(mllm.model) as count, torch.no_grad():
        for kinds in passes:
            run_batch(mllm, _batch(mllm, kinds, settings.batch, texts, shown), method)
    return count


@contextmanager
def _training(mllm: MLLM, settings: TrainConfig) -> Iterator[None]:
    """As the trainer puts the model: its dropout on, and its layers computed twice where that is asked for."""
    mllm.model.train()
    if settings.gradient_checkpointing:
        mllm.base.activation_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        if settings.gradient_checkpointing:
            mllm.base.activation_checkpointing_disable()
        mllm.model.zero_grad(set_to_none=True)
        mllm.model.eval()


def _batch(
    mllm: MLLM,
    kinds: list[AnswerKind],
    rows: int,
    texts: TextLengths,
    shown: Shown | None,
) -> PackedBatch:
    widths = {kind: texts.refusal if kind == "refusal" else texts.answer for kind in kinds}
    labels: dict[AnswerKind, Tensor] = {}
    for kind, width in widths.items():
        labels[kind] = torch.zeros(rows, width, dtype=torch.long, device="meta")
    # Questions in words alone are asked in a pass of their own.
    pictures = None if kinds == ["words"] else shown
    inputs = language_inputs(mllm, rows, texts.prompt + sum(widths.values()), pictures)
    return PackedBatch(inputs, labels, tuple(range(rows)))


def _view(outputs: AnswerOutputs, form: ReferenceForm | None) -> View:
    """As `unlearning.forward.views_of` makes it. What the reference said has the shape of what is said now."""
    reference: Mapping[str, Tensor] = {}
    now = None
    if form is not None:
        # By the form's name: `logps`, `logits`, `all_logits`, `states`.
        now = getattr(outputs, form)
        reference = {f"ref_{form}": torch.empty_like(now, requires_grad=False)}
    all_mask = None
    if outputs.all_logits is not None:
        all_mask = torch.ones(outputs.all_logits.shape[:2], dtype=torch.bool, device="meta")
    return View(
        token_logps=outputs.token_logps,
        mask=outputs.mask,
        logps=outputs.logps,
        tokens=outputs.tokens,
        logits=outputs.logits if form == "logits" else None,
        states=outputs.states,
        all_logits=outputs.all_logits,
        all_mask=all_mask,
        **reference,
    )
