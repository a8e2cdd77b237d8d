"""Answers behind their prompts: the labels of a batch, and the logits that predict them.

Prompts are padded on the left and answers on the right, so that every answer begins in the same column:

    pad  pad  prompt prompt | answer answer end
    prompt prompt prompt prompt | answer end  pad
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

IGNORE = -100  # the label of a position that no loss may count


def answer_labels(answers: Sequence[Sequence[int]], device: torch.device | None = None) -> Tensor:
    """Token ids (B, A) of the answers, `IGNORE` after the end of each."""
    width = max(len(ids) for ids in answers)
    labels = torch.full((len(answers), width), IGNORE)  # (B, A)
    for row, ids in enumerate(answers):
        labels[row, : len(ids)] = torch.tensor(ids)
    return labels.to(device)


def answer_token_type(model: "PreTrainedModel") -> int:
    """The type of an answer's tokens in families that tell tokens apart.

    PaliGemma's prompt is of type 0, all of which sees all of it, and its answer of type 1. Elsewhere 0 is text.
    """
    return 1 if model.config.model_type == "paligemma" else 0


def append_answers(
    prompt: Mapping[str, Any], labels: Tensor, pad: int, *, token_type: int = 0
) -> dict[str, Any]:
    """Model inputs of the prompts (B, P) with the answers (B, A) behind them, (B, P + A).

    `pad` is the token that stands where `labels` has `IGNORE`, `token_type` is that of `answer_token_type`.
    """
    real = labels != IGNORE  # (B, A)
    ids = prompt["input_ids"]  # (B, P)
    mask = prompt["attention_mask"]  # (B, P)
    inputs = dict(prompt)
    for name, value in prompt.items():
        if not isinstance(value, Tensor):
            continue
        # What else the processor gives for each token are types.
        if value.shape == ids.shape:
            types = torch.full_like(labels, token_type, dtype=value.dtype)
            inputs[name] = torch.cat([value, types], 1)
        # Which tiles of a picture a token may look at: an answer's tokens as many as the prompt's last.
        elif name == "cross_attention_mask":
            last = value[:, -1:].expand(-1, labels.shape[1], -1, -1)  # (B, A, pictures, tiles)
            inputs[name] = torch.cat([value, last], 1)
    inputs["input_ids"] = torch.cat([ids, labels.masked_fill(~real, pad)], 1)
    inputs["attention_mask"] = torch.cat([mask, real.to(mask.dtype)], 1)
    return inputs


def answer_logits(model: "Module", batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Logits (B, A, V) that predict the answers' tokens, and those tokens as labels (B, A).

    A label is `IGNORE` where there is no token. Only the answers' columns go through the language model's head.
    """
    labels = batch["labels"]
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    # The logits at a position predict the next token: those of the answer's first token stand one column before it.
    logits = model(**inputs, logits_to_keep=labels.shape[1] + 1, use_cache=False).logits
    return logits[:, :-1], labels
