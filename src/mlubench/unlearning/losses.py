"""Pure losses of unlearning: numbers in, a scalar out. No model, batch or device inside.

`logps` (B,) are log-probabilities of whole answers, summed over their tokens. `token_logps` (B, A) are those of single
tokens, and `mask` (B, A) says which of them belong to an answer.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def token_log_probs(logits: Tensor, labels: Tensor, *, ignore: int = -100) -> tuple[Tensor, Tensor]:
    """Log-probability of each label (B, A), 0 where there is none, and the mask of those that count (B, A)."""
    mask = labels != ignore
    flat = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=ignore, reduction="none")
    return -flat.view(labels.shape), mask


def mean_nll(token_logps: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood a token, over all answer tokens of the batch."""
    return -(token_logps * mask).sum() / mask.sum()


def ga_loss(token_logps: Tensor, mask: Tensor) -> Tensor:
    """Gradient ascent: the negative of the forget answers' NLL. It has no lower bound."""
    return -mean_nll(token_logps, mask)


def kl_loss(ref_logits: Tensor, logits: Tensor, mask: Tensor) -> Tensor:
    """KL(reference || current), the mean over answer positions; logits are (B, A, V)."""
    ref, now = ref_logits.float().log_softmax(-1), logits.float().log_softmax(-1)
    per_token = (ref.exp() * (ref - now)).sum(-1)
    return (per_token * mask).sum() / mask.sum()


def npo_loss(logps: Tensor, ref_logps: Tensor, *, beta: float) -> Tensor:
    """Negative preference optimisation (arXiv 2404.05868, eq. 3): 2/b mean log(1 + (p / p_ref)^b), without overflow."""
    return 2 / beta * F.softplus(beta * (logps - ref_logps)).mean()


def dpo_loss(win: Tensor, lose: Tensor, ref_win: Tensor, ref_lose: Tensor, *, beta: float) -> Tensor:
    """Direct preference optimisation (arXiv 2305.18290, eq. 7); `win` is the refusal, `lose` the truth, all (B,)."""
    return F.softplus(-beta * ((win - ref_win) - (lose - ref_lose))).mean()


def sums(token_logps: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each whole answer (B,)."""
    return torch.where(mask, token_logps, 0).sum(-1)
