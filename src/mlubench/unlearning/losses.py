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
    flat = F.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=ignore, reduction="none"
    )
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


def dpo_loss(
    win: Tensor, lose: Tensor, ref_win: Tensor, ref_lose: Tensor, *, beta: float
) -> Tensor:
    """Direct preference optimisation (arXiv 2305.18290, eq. 7); `win` is the refusal, `lose` the truth, all (B,)."""
    return F.softplus(-beta * ((win - ref_win) - (lose - ref_lose))).mean()


def sums(token_logps: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each whole answer (B,)."""
    return torch.where(mask, token_logps, 0).sum(-1)


def simnpo_loss(logps: Tensor, lengths: Tensor, *, beta: float, delta: float) -> Tensor:
    """SimNPO (arXiv 2410.07163, eq. 4): -2/b mean log sigmoid(b(NLL / |answer| - delta)); logps, lengths (B,)."""
    return 2 / beta * F.softplus(-beta * (-logps / lengths - delta)).mean()


def rmu_loss(
    forget: Tensor, forget_mask: Tensor, retain: Tensor, ref_retain: Tensor, retain_mask: Tensor,
    *, c: float, alpha: float, seed: int,
) -> Tensor:  # fmt: skip
    """RMU (arXiv 2403.03218, eq. 1-3): mean squared distance of forget states to c u, and a times that of retain states to
    the reference's. States (B, A, H), masks (B, A); the means are over the masked tokens and H. u is drawn from `seed`.
    """
    u = torch.rand(forget.shape[-1], generator=torch.Generator().manual_seed(seed))
    target = (c * u / u.norm()).to(forget)

    def mean_square(difference: Tensor, mask: Tensor) -> Tensor:
        return (difference.float().square().mean(-1) * mask).sum() / mask.sum()

    return mean_square(forget - target, forget_mask) + alpha * mean_square(
        retain - ref_retain, retain_mask
    )
