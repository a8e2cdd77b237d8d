"""Several answers to one prompt in one pass: the prompt (picture and question) is computed once for all of them.

A row is [prompt, answer 1, answer 2, ...]. Each answer sees the prompt and itself, never another answer, and its positions
go on from the prompt's, so that every logit is what a pass with that answer alone would give.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mlubench.models.mllm import IGNORE

# Attention that takes a mask of its own for each pair of positions.
PACKING = ("sdpa", "eager")


def can_pack(model: Any) -> bool:
    """Whether the model's attention can keep the answers of a row apart."""
    return model.config._attn_implementation in PACKING


def answer_labels(answers: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Token ids (B, A), `IGNORE` after the end of each."""
    labels = torch.full((len(answers), max(map(len, answers))), IGNORE)
    for row, ids in enumerate(answers):
        labels[row, : len(ids)] = torch.tensor(ids)
    return labels.to(device)


def with_answers(
    model: Any, prompt: dict[str, Any], labels: Sequence[Tensor], pad: int
) -> dict[str, Any]:
    """The prompts (B, P) with the answers of each label tensor (B, A) behind them: inputs (B, P + sum of A).

    `model` is the transformers model itself, which says how positions go on. With one answer the inputs are ordinary ones.
    """
    shape = prompt["input_ids"].shape
    real = torch.cat([x != IGNORE for x in labels], 1)
    added = torch.cat([x.masked_fill(x == IGNORE, pad) for x in labels], 1)
    inputs = dict(prompt)
    for name, value in prompt.items():
        # Whatever the processor gives per token besides ids and mask (Qwen's token types) is 0 for text.
        if (
            isinstance(value, Tensor)
            and value.shape == shape
            and name not in ("input_ids", "attention_mask")
        ):
            inputs[name] = torch.cat([value, torch.zeros_like(added, dtype=value.dtype)], 1)
    inputs["input_ids"] = torch.cat([prompt["input_ids"], added], 1)
    inputs["attention_mask"] = torch.cat(
        [prompt["attention_mask"], real.to(prompt["attention_mask"].dtype)], 1
    )
    if len(labels) > 1:
        widths = [x.shape[1] for x in labels]
        inputs["position_ids"] = _positions(model, prompt, widths)
        inputs["attention_mask"] = _apart(inputs["attention_mask"], shape[1], widths, model.dtype)
    return inputs


def _apart(real: Tensor, prompt: int, widths: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Additive mask (B, 1, L, L): 0 where a token may look, the lowest number elsewhere. `real` is (B, L)."""
    parts = [torch.zeros(prompt), *(torch.full((w,), n + 1.0) for n, w in enumerate(widths))]
    segment = torch.cat(parts).to(real.device)
    length = len(segment)
    causal = torch.ones(length, length, dtype=torch.bool, device=real.device).tril()
    same = (segment[:, None] == segment[None]) | (segment[None] == 0)
    seen = (causal & same)[None] & real.bool()[:, None]
    seen |= torch.eye(
        length, dtype=torch.bool, device=real.device
    )  # padding looks at itself: no row is empty
    return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[:, None]


def _positions(model: Any, prompt: dict[str, Any], widths: Sequence[int]) -> Tensor:
    """Positions of prompt and answers: (B, L), or (3, B, L) for the families that count time, height and width."""
    ids = prompt["input_ids"]
    if hasattr(model.model, "get_rope_index"):
        grid = {
            k: v
            for k, v in prompt.items()
            if k in ("image_grid_thw", "mm_token_type_ids", "attention_mask")
        }
        if "image_grid_thw" not in grid:
            grid["mm_token_type_ids"] = torch.zeros_like(ids)
        start = model.model.get_rope_index(ids, **grid)[0]
    else:
        start = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    after = start.amax(-1, keepdim=True) + 1
    if after.dim() == 3:  # the answer's text goes on from the furthest of the three
        after = after.amax(0, keepdim=True).expand_as(after)
    return torch.cat([start, *(after + torch.arange(w, device=ids.device) for w in widths)], -1)
