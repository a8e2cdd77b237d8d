"""Several answers to one prompt in one pass: the prompt (picture and question) is computed once for all of them.

A row is [prompt, answer 1, answer 2, ...]. Each answer sees the prompt and itself, never another answer, and its
positions go on from the prompt's, so that every logit is what a pass with that answer alone would give.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mlubench.models.answers import answer_token_type, append_answers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# How transformers names a layer whose tokens look at all tokens before them.
FULL = "full_attention"
# Implementations of attention that take a mask for each pair of positions; flash attention takes none.
PACKABLE_ATTENTION = ("sdpa", "eager")


def can_pack(model: "PreTrainedModel") -> bool:
    """Whether the answers of a row can be kept apart so that each is computed as it would be alone."""
    return why_not_packed(model) is None


def why_not_packed(model: "PreTrainedModel") -> str | None:
    """Why answers to one prompt each need a pass of their own; None where they can share one."""
    attention = model.config._attn_implementation
    if attention not in PACKABLE_ATTENTION:
        return f"{attention} attention takes no mask of pairs of positions"
    inputs = inspect.signature(model.forward).parameters
    if "cross_attention_mask" in inputs:
        return "the text looks at pictures in layers of its own"
    # Gemma's: pictures, or the whole prompt, are seen from both sides.
    if "token_type_ids" in inputs:
        return "some of the prompt is seen from both sides"
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ()) - {FULL}
    if kinds:
        return f"its text has layers of {', '.join(sorted(kinds))}"
    return None


def pack_answers(
    model: "PreTrainedModel", prompt: Mapping[str, Any], labels: Sequence[Tensor], pad: int
) -> dict[str, Any]:
    """The prompts (B, P) with the answers of each label tensor (B, A) behind them: inputs (B, P + sum of A).

    `model` is the transformers model itself, which says how positions go on. With one answer the inputs are
    ordinary ones.
    """
    answers = torch.cat(list(labels), 1)
    inputs = append_answers(prompt, answers, pad, token_type=answer_token_type(model))
    if len(labels) > 1:
        widths = [each.shape[1] for each in labels]
        prompt_width = prompt["input_ids"].shape[1]
        inputs["position_ids"] = _positions(model, prompt, widths)
        inputs["attention_mask"] = _mask_apart(
            inputs["attention_mask"], prompt_width, widths, model.dtype
        )
    return inputs


def _mask_apart(
    real: Tensor, prompt_width: int, widths: Sequence[int], dtype: torch.dtype
) -> Tensor:
    """Additive mask (B, 1, L, L): 0 where a token may look, the lowest number elsewhere. `real` is (B, L)."""
    # Segment 0 is the prompt, segment n the nth answer.
    segments = [torch.zeros(prompt_width)]
    for number, width in enumerate(widths, 1):
        segments.append(torch.full((width,), float(number)))
    segment = torch.cat(segments).to(real.device)  # (L,)
    length = len(segment)
    causal = torch.ones(length, length, dtype=torch.bool, device=real.device).tril()  # (L, L)
    same_or_prompt = (segment[:, None] == segment[None]) | (segment[None] == 0)  # (L, L)
    visible = (causal & same_or_prompt)[None] & real.bool()[:, None]  # (B, L, L)
    # Padding looks at itself: a row without any visible position would give NaN.
    visible |= torch.eye(length, dtype=torch.bool, device=real.device)
    mask = torch.zeros_like(visible, dtype=dtype).masked_fill(~visible, torch.finfo(dtype).min)
    return mask[:, None]


def _positions(
    model: "PreTrainedModel", prompt: Mapping[str, Any], widths: Sequence[int]
) -> Tensor:
    """Positions of prompt and answers: (B, L), or (3, B, L) for the families that count time, height and width."""
    start = _prompt_positions(model, prompt)
    after = start.amax(-1, keepdim=True) + 1  # (B, 1) or (3, B, 1)
    if after.dim() == 3:
        # The answer's text goes on from the furthest of the three.
        after = after.amax(0, keepdim=True).expand_as(after)
    positions = [start]
    for width in widths:
        positions.append(after + torch.arange(width, device=start.device))
    return torch.cat(positions, -1)


def counts_in_three_axes(model: "PreTrainedModel") -> bool:
    """Whether a token has three positions, of time, height and width: (3, B, L). The model works those of a prompt out."""
    return hasattr(model.model, "get_rope_index")


def _prompt_positions(model: "PreTrainedModel", prompt: Mapping[str, Any]) -> Tensor:
    """Positions of the prompts alone: (B, P), or (3, B, P)."""
    ids = prompt["input_ids"]
    if not counts_in_three_axes(model):
        # Text positions; with several answers transformers no longer derives them from the mask, and padding on the
        # left shifts all of a row alike, which rotary positions do not notice.
        return torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    names = ("image_grid_thw", "mm_token_type_ids", "attention_mask")
    given = {name: value for name, value in prompt.items() if name in names}
    if "image_grid_thw" not in given:
        given["mm_token_type_ids"] = torch.zeros_like(ids)
    return model.model.get_rope_index(ids, **given)[0]
