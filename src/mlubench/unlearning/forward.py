"""One pass of the model over a step's batches, and the views of it that a method's loss looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlubench.models.hf import IGNORE
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


def outputs_of(model: Any, group: Group, method: Method, *, states: bool = False) -> dict[Kind, Said]:
    """Run one group. With `states`, what the reference keeps is filled too. Only the answers' columns meet the head,
    unless the method looks at every position."""
    width = sum(x.shape[1] for x in group.labels.values())
    whole = [k for k in group.labels if method.reference.get(k) == "all_logits"]
    deep = states or method.layer is not None
    keep = 0 if whole else width + 1
    out = model(**group.inputs, logits_to_keep=keep, use_cache=False, output_hidden_states=deep)
    kept = out.logits[:, -(width + 1) :]
    start, found = 0, {}
    for kind, labels in group.labels.items():
        columns = slice(start, start + labels.shape[1])
        logits = _predicting(kept, columns)
        token_logps, mask = token_log_probs(logits, labels, ignore=IGNORE)
        extra: dict[str, Any] = {}
        if deep:
            last = out.hidden_states[-1]
            extra["final"] = _predicting(last[:, -(width + 1) :], columns)
            if method.layer is not None:
                extra["states"] = out.hidden_states[method.layer][:, -width:][:, columns]
        if kind in whole:
            extra |= {"all_logits": out.logits, "all_mask": group.inputs["attention_mask"].bool()}
            extra |= {"all_final": out.hidden_states[-1]} if deep else {}
        found[kind] = Said(logits, token_logps, mask, sums(token_logps, mask), **extra)
        start = columns.stop
    return found


def _predicting(kept: Tensor, columns: slice) -> Tensor:
    """Of the prompt's last position and the answers' (B, 1 + W, ...), those that predict these answer columns."""
    return torch.cat([kept[:, :1], kept[:, 1 + columns.start : columns.stop]], 1)


def views_of(model: Any, head: Any, step: Step, method: Method) -> dict[Kind, View]:
    """The views of every kind that the method needs. `head` makes logits of the states that the reference kept."""
    views: dict[Kind, View] = {}
    for group in step.groups:
        for kind, said in outputs_of(model, group, method).items():
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
