"""One pass of the model over a batch, and the views of it that a method's loss looks at.

Where answers 1 and 2 share a prompt, a row's columns are [prompt (P) | answer 1 (A1) | answer 2 (A2)], and W = A1 + A2.
Logits at a column predict the token of the next one.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn

from mlubench.models.answers import IGNORE
from mlubench.models.mllm import MLLM
from mlubench.unlearning.batches import PackedBatch, Step
from mlubench.unlearning.losses import sums, token_log_probs
from mlubench.unlearning.methods.base import AnswerKind, Method, ReferenceForm, View


@dataclass(frozen=True, slots=True)
class AnswerOutputs:
    """What one pass said of one kind of answer."""

    logits: Tensor  # (B, A, V), those that predict the answer's tokens
    token_logps: Tensor  # (B, A)
    mask: Tensor  # (B, A), False at padding
    logps: Tensor  # (B,), of whole answers
    tokens: Tensor  # (B, A), 0 at padding
    head_inputs: Tensor | None = None  # (B, A, H), the states that the head makes `logits` of
    states: Tensor | None = None  # (B, A, H), of the method's layer at the answer's tokens
    # The same at all L columns, prompt and picture included, where the method looks at every position.
    all_logits: Tensor | None = None  # (B, L, V)
    all_head_inputs: Tensor | None = None  # (B, L, H)
    all_mask: Tensor | None = None  # (B, L)
    # What enters the language model, and which of it are pictures, where the method looks at their features.
    pictures: Tensor | None = None  # (B, L, H)
    picture_mask: Tensor | None = None  # (B, L)


def run_batch(
    mllm: MLLM,
    batch: PackedBatch,
    method: Method,
    *,
    head_inputs: bool = False,
    model: nn.Module | None = None,
) -> dict[AnswerKind, AnswerOutputs]:
    """Pass one batch through `model`: what a trainer has wrapped around `mllm.model`, else that itself.

    `head_inputs` are filled only on demand. Only the answers' columns meet the head, unless the method looks at every
    position.
    """
    width = sum(labels.shape[1] for labels in batch.labels.values())  # W
    at_all_positions = [k for k in batch.labels if method.reference.get(k) == "all_logits"]
    caller = mllm.model if model is None else model
    with _captured(
        mllm, method.layer, head_inputs=head_inputs, entering=method.sees_features
    ) as captured:
        # 0 means all columns. One more than W: the prompt's last column predicts each answer's first token.
        logits_to_keep = 0 if at_all_positions else width + 1
        logits = caller(**batch.inputs, logits_to_keep=logits_to_keep, use_cache=False).logits
    outputs: dict[AnswerKind, AnswerOutputs] = {}
    start = 0
    for kind, labels in batch.labels.items():
        columns = slice(start, start + labels.shape[1])  # of the W answer columns
        start = columns.stop
        kept = _predicting(logits[:, -(width + 1) :], columns)
        token_logps, mask = token_log_probs(kept, labels, ignore=IGNORE)
        optional: dict[str, Tensor] = {}
        if captured.head_inputs is not None:
            optional["head_inputs"] = _predicting(captured.head_inputs[:, -(width + 1) :], columns)
        if captured.states is not None:
            optional["states"] = captured.states[:, -width:][:, columns]
        if captured.entering is not None:
            optional["pictures"] = captured.entering
            optional["picture_mask"] = batch.inputs["input_ids"] == mllm.base.config.image_token_id
        if kind in at_all_positions:
            optional["all_logits"] = logits
            optional["all_mask"] = batch.inputs["attention_mask"].bool()
            if captured.head_inputs is not None:
                optional["all_head_inputs"] = captured.head_inputs
        outputs[kind] = AnswerOutputs(
            logits=kept,
            token_logps=token_logps,
            mask=mask,
            logps=sums(token_logps, mask),
            tokens=labels.masked_fill(~mask, 0),
            **optional,
        )
    return outputs


@dataclass(slots=True)
class _Captured:
    """States (B, columns, H) that passed by during a pass; None where nobody asked for them."""

    head_inputs: Tensor | None = field(default=None)
    states: Tensor | None = field(default=None)
    entering: Tensor | None = field(default=None)


@contextmanager
def _captured(
    mllm: MLLM, layer: int | None, *, head_inputs: bool, entering: bool
) -> Iterator[_Captured]:
    """Take states where they pass by: `output_hidden_states` would keep those of every layer.

    `layer` counts the language model's layers from 1, or back from the last with -1. `entering` is what its first layer
    is given.
    """
    captured = _Captured()

    def keep_head_inputs(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        captured.head_inputs = args[0]

    def keep_states(module: nn.Module, args: object, output: Tensor | tuple[Tensor, ...]) -> None:
        # Some families' layers give a tuple.
        captured.states = output[0] if isinstance(output, tuple) else output

    def keep_entering(
        module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]
    ) -> None:
        captured.entering = args[0] if args else kwargs["hidden_states"]

    with ExitStack() as hooks:
        if entering:
            first = mllm.layers[0]
            hooks.enter_context(first.register_forward_pre_hook(keep_entering, with_kwargs=True))
        if head_inputs:
            head = mllm.base.get_output_embeddings()
            hooks.enter_context(head.register_forward_pre_hook(keep_head_inputs))
        if layer is not None:
            index = layer - 1 if layer > 0 else layer
            hooks.enter_context(mllm.layers[index].register_forward_hook(keep_states))
        yield captured


def _predicting(rows: Tensor, columns: slice) -> Tensor:
    """Of the prompt's last column and the answers' (B, 1 + W, ...), those that predict these answer columns (B, A, ...).

    The first token of every answer is predicted by the prompt's last column, also where another answer stands between.
    """
    return torch.cat([rows[:, :1], rows[:, 1 + columns.start : columns.stop]], 1)


def views_of(
    mllm: MLLM, step: Step, method: Method, *, model: nn.Module | None = None
) -> dict[AnswerKind, View]:
    """The views of every kind that the method needs, a row for each item; `model` as in `run_batch`."""
    parts: dict[AnswerKind, list[View]] = {}
    rows: dict[AnswerKind, list[int]] = {}
    head = mllm.base.get_output_embeddings()
    for batch in step.batches:
        for kind, outputs in run_batch(mllm, batch, method, model=model).items():
            form = method.reference.get(kind)
            reference: dict[str, Tensor] = {}
            if form is not None:
                said = [step.reference[kind][row] for row in batch.rows]
                reference = _reference_fields(said, form, outputs, head)
            rows.setdefault(kind, []).extend(batch.rows)
            view = View(
                token_logps=outputs.token_logps,
                mask=outputs.mask,
                logps=outputs.logps,
                tokens=outputs.tokens,
                logits=outputs.logits if form == "logits" else None,
                states=outputs.states,
                all_logits=outputs.all_logits,
                all_mask=outputs.all_mask,
                pictures=outputs.pictures,
                picture_mask=outputs.picture_mask,
                **reference,
            )
            parts.setdefault(kind, []).append(view)
    return {kind: _joined(of_kind, rows[kind]) for kind, of_kind in parts.items()}


def _joined(views: Sequence[View], rows: Sequence[int]) -> View:
    """One view of several passes, narrower ones filled up with zeros. `rows` says which item each of their rows is of."""
    if len(views) == 1:
        return views[0]
    in_order = torch.tensor(rows).argsort()
    joined: dict[str, Tensor] = {}
    for field_of in fields(View):
        tensors = [getattr(view, field_of.name) for view in views]
        # A field is None in all of them or in none.
        if tensors[0] is not None:
            filled = _of_one_width(tensors)
            joined[field_of.name] = torch.cat(filled)[in_order.to(filled[0].device)]
    return View(**joined)


def _of_one_width(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors (B, W, ...) with zeros behind them in the second dimension, up to the widest."""
    if tensors[0].ndim < 2:
        return list(tensors)
    width = max(tensor.shape[1] for tensor in tensors)
    filled = []
    for tensor in tensors:
        missing = tensor.new_zeros((len(tensor), width - tensor.shape[1], *tensor.shape[2:]))
        filled.append(torch.cat([tensor, missing], 1))
    return filled


def _reference_fields(
    rows: Sequence[Tensor], form: ReferenceForm, outputs: AnswerOutputs, head: nn.Module
) -> dict[str, Tensor]:
    """The `ref_` fields of a view: what was kept of each sample without padding, laid out as the batch of now is."""
    if form == "logps":
        return {"ref_logps": torch.stack(list(rows)).to(outputs.logps)}  # (B,)
    mask = _mask_of(form, outputs)
    states = rows[0].new_zeros((*mask.shape, rows[0].shape[-1]))  # (B, A, H) or (B, L, H)
    states[mask] = torch.cat(list(rows))
    if form in ("states", "pictures"):
        return {f"ref_{form}": states}
    with torch.no_grad():
        return {f"ref_{form}": head(states)}


def _mask_of(form: ReferenceForm, outputs: AnswerOutputs) -> Tensor:
    """Where the reference has said something, (B, A) or (B, L)."""
    masks = {"all_logits": outputs.all_mask, "pictures": outputs.picture_mask}
    mask = masks.get(form, outputs.mask)
    assert mask is not None
    return mask
