"""One pass of the model over a step's batches, and the views of it that a method's loss looks at."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlubench.models.answers import IGNORE
from mlubench.models.mllm import MLLM
from mlubench.unlearning.losses import sums, token_log_probs
from mlubench.unlearning.methods.base import Form, Kind, Method, View


@dataclass(frozen=True, slots=True)
class Group:
    """Model inputs for answers to the same prompts, and their tokens: `labels` (B, A) of each kind, in their order."""

    inputs: dict[str, Any]
    labels: dict[Kind, Tensor]


@dataclass(frozen=True, slots=True)
class Step:
    """All passes of one step, and what the reference said of each sample, by kind."""

    groups: list[Group]
    reference: Mapping[Kind, Sequence[Tensor]]


@dataclass(frozen=True, slots=True)
class Said:
    """What one pass said of one kind of answer. `final` (B, A, H) are the states that the head makes `logits` of."""

    logits: Tensor
    token_logps: Tensor
    mask: Tensor
    logps: Tensor
    final: Tensor | None = None
    states: Tensor | None = None
    all_final: Tensor | None = None
    all_logits: Tensor | None = None
    all_mask: Tensor | None = None


def outputs_of(
    mllm: MLLM, group: Group, method: Method, *, states: bool = False, model: Any = None
) -> dict[Kind, Said]:
    """Run one group, through `model` where a trainer has wrapped it. With `states`, what the reference keeps is filled too.
    Only the answers' columns meet the head, unless the method looks at every position."""
    width = sum(x.shape[1] for x in group.labels.values())
    whole = [k for k in group.labels if method.reference.get(k) == "all_logits"]
    seen: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        if states:  # taken where they pass, so that the states of all other layers need not be kept
            head = mllm.base.get_output_embeddings()
            hooks.enter_context(
                head.register_forward_pre_hook(lambda _, given: seen.update(final=given[0]))
            )
        if method.layer is not None:
            layer = mllm.layers[method.layer - (method.layer > 0)]
            hooks.enter_context(
                layer.register_forward_hook(lambda _, __, out: seen.update(layer=_tensor(out)))
            )
        called = mllm.model if model is None else model
        logits = called(
            **group.inputs, logits_to_keep=0 if whole else width + 1, use_cache=False
        ).logits
    start, found = 0, {}
    for kind, labels in group.labels.items():
        columns = slice(start, start + labels.shape[1])
        kept = _predicting(logits[:, -(width + 1) :], columns)
        token_logps, mask = token_log_probs(kept, labels, ignore=IGNORE)
        extra: dict[str, Any] = {}
        if "final" in seen:
            extra["final"] = _predicting(seen["final"][:, -(width + 1) :], columns)
        if "layer" in seen:
            extra["states"] = seen["layer"][:, -width:][:, columns]
        if kind in whole:
            extra |= {"all_logits": logits, "all_mask": group.inputs["attention_mask"].bool()}
            extra |= {"all_final": seen["final"]} if states else {}
        found[kind] = Said(kept, token_logps, mask, sums(token_logps, mask), **extra)
        start = columns.stop
    return found


def _tensor(output: Any) -> Tensor:
    """A layer's states, which some families give in a tuple."""
    return output[0] if isinstance(output, tuple) else output


def _predicting(kept: Tensor, columns: slice) -> Tensor:
    """Of the prompt's last position and the answers' (B, 1 + W, ...), those that predict these answer columns."""
    return torch.cat([kept[:, :1], kept[:, 1 + columns.start : columns.stop]], 1)


def views_of(mllm: MLLM, step: Step, method: Method, *, model: Any = None) -> dict[Kind, View]:
    """The views of every kind that the method needs; `model` as in `outputs_of`."""
    views: dict[Kind, View] = {}
    head = mllm.base.get_output_embeddings()
    for group in step.groups:
        for kind, said in outputs_of(mllm, group, method, model=model).items():
            form = method.reference.get(kind)
            reference = _reference(step.reference[kind], form, said, head) if form else {}
            logits = said.logits if form == "logits" else None
            views[kind] = View(
                said.token_logps,
                said.mask,
                said.logps,
                logits,
                said.states,
                said.all_logits,
                said.all_mask,
                **reference,
            )
    return views


def _reference(rows: Sequence[Tensor], form: Form, said: Said, head: Any) -> dict[str, Tensor]:
    if form == "logps":
        return {"ref_logps": torch.stack(list(rows)).to(said.logps)}
    mask = said.mask if said.all_mask is None or form != "all_logits" else said.all_mask
    states = rows[0].new_zeros((*mask.shape, rows[0].shape[-1]))
    states[mask] = torch.cat(list(rows))
    if form == "states":
        return {"ref_states": states}
    with torch.no_grad():
        return {f"ref_{form}": head(states)}
