"""Views with chosen probabilities, for losses that are worked out by hand."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mlubench.unlearning.methods.base import View


def view(
    probabilities: Sequence[Sequence[float]],
    *,
    ref_logps: Sequence[float] | None = None,
    **fields: Tensor,
) -> View:
    """The view of answers whose tokens have these probabilities (B, A). Its `token_logps` can be pushed on."""
    token_logps = torch.tensor(probabilities).log().requires_grad_()
    reference = None if ref_logps is None else torch.tensor(ref_logps)
    return View(
        token_logps=token_logps,
        mask=torch.ones(token_logps.shape, dtype=torch.bool),
        logps=token_logps.sum(-1),
        ref_logps=reference,
        **fields,
    )
