"""Pure losses of unlearning: numbers in, a scalar out. No model, batch or device inside.

`logps` (B,) are log-probabilities of whole answers, summed over their tokens. `token_logps` (B, A) are those of single
tokens, and `mask` (B, A) says which of them belong to an answer.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def token_log_probs(logits: Tensor, labels: Tensor, *, ignore: int = -100) -> tuple[Tensor, Tensor]:
    """Log-probability of each label (B, A), 0 where there is none, and the mask of those that count (B, A).

    `logits` are (B, A, V). A label that is `ignore` does not count.
    """
    mask = labels != ignore
    # float32: the log of a sum over the whole vocabulary loses too much in half precision.
    flat_logits = logits.float().flatten(0, 1)  # (B * A, V)
    losses = F.cross_entropy(flat_logits, labels.flatten(), ignore_index=ignore, reduction="none")
    return -losses.view(labels.shape), mask


def sums(token_logps: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each whole answer (B,)."""
    return torch.where(mask, token_logps, 0).sum(-1)


def mean_nll(token_logps: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood a token, over all answer tokens of the batch."""
    return -_token_mean(token_logps, mask)


def ga_loss(token_logps: Tensor, mask: Tensor) -> Tensor:
    """Gradient ascent: the negative of the forget answers' NLL. It has no lower bound."""
    return -mean_nll(token_logps, mask)


def wga_loss(token_logps: Tensor, mask: Tensor, *, beta: float) -> Tensor:
    """Weighted gradient ascent (arXiv 2502.19301): mean p^b log p over tokens, where p^b counts as a constant."""
    weights = (beta * token_logps.detach()).exp()  # (B, A)
    return _token_mean(weights * token_logps, mask)


def satimp_loss(token_logps: Tensor, mask: Tensor, *, beta1: float, beta2: float) -> Tensor:
    """SatImp (arXiv 2505.11953): mean p^b1 (1 - p)^b2 log p over tokens, where the weight counts as a constant."""
    p = token_logps.detach().exp()  # (B, A)
    weights = p**beta1 * (1 - p) ** beta2
    return _token_mean(weights * token_logps, mask)


def undial_loss(
    logits: Tensor, ref_logits: Tensor, tokens: Tensor, mask: Tensor, *, beta: float
) -> Tensor:
    """UNDIAL (arXiv 2402.10052): cross-entropy to softmax(z_ref - b 1_y), the mean over answer tokens.

    The target is what the reference says with the logit of the true token lowered by b. Logits are (B, A, V), `tokens`
    the true ones (B, A).
    """
    lowering = torch.full_like(tokens, beta, dtype=torch.float32).unsqueeze(-1)  # (B, A, 1)
    lowered = ref_logits.float().scatter_add(-1, tokens.unsqueeze(-1), -lowering)
    target = lowered.softmax(-1)  # (B, A, V)
    per_token = -(target * logits.float().log_softmax(-1)).sum(-1)  # (B, A)
    return _token_mean(per_token, mask)


def kl_loss(ref_logits: Tensor, logits: Tensor, mask: Tensor) -> Tensor:
    """KL(reference || current), the mean over answer positions; logits are (B, A, V)."""
    ref_logps = ref_logits.float().log_softmax(-1)  # (B, A, V)
    logps = logits.float().log_softmax(-1)  # (B, A, V)
    per_token = (ref_logps.exp() * (ref_logps - logps)).sum(-1)  # (B, A)
    return _token_mean(per_token, mask)


def masked_kl_loss(ref_logits: Tensor, logits: Tensor, mask: Tensor, vocabulary: Tensor) -> Tensor:
    """The dual masked KL of SIU (arXiv 2405.12523): KL(reference || current) at some positions, over some tokens.

    Logits are (B, A, V). `mask` (B, A) says which positions count, `vocabulary` (B, V) which tokens do in each answer; both
    distributions are those of these tokens alone. The mean is over the positions; 0 where none counts.
    """
    left_out = ~vocabulary.unsqueeze(1)  # (B, 1, V)
    ref_logps = ref_logits.float().masked_fill(left_out, -torch.inf).log_softmax(-1)
    logps = logits.float().masked_fill(left_out, -torch.inf).log_softmax(-1)
    # What is left out has a probability of 0 in both, and no difference.
    difference = (ref_logps - logps).masked_fill(left_out, 0)
    per_token = (ref_logps.exp() * difference).sum(-1)  # (B, A)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


def npo_loss(logps: Tensor, ref_logps: Tensor, *, beta: float) -> Tensor:
    """Negative preference optimisation (arXiv 2404.05868, eq. 3): 2/b mean log(1 + (p / p_ref)^b), without overflow."""
    return 2 / beta * F.softplus(beta * (logps - ref_logps)).mean()


def dpo_loss(
    win: Tensor, lose: Tensor, ref_win: Tensor, ref_lose: Tensor, *, beta: float
) -> Tensor:
    """Direct preference optimisation (arXiv 2305.18290, eq. 7); `win` is the refusal, `lose` the truth, all (B,)."""
    # -log sigmoid(x) is softplus(-x), which does not overflow.
    return F.softplus(-beta * ((win - ref_win) - (lose - ref_lose))).mean()


def altpo_loss(
    win: Tensor, lose: Tensor, ref_win: Tensor, ref_lose: Tensor, *, beta: float
) -> Tensor:
    """Alternate preference optimisation (arXiv 2409.13474): 2/b times DPO; `win` is the alternate, all (B,).

    The factor is NPO's: the gradient stays of one size as b becomes small.
    """
    return 2 / beta * dpo_loss(win, lose, ref_win, ref_lose, beta=beta)


def simnpo_loss(logps: Tensor, lengths: Tensor, *, beta: float, delta: float) -> Tensor:
    """SimNPO (arXiv 2410.07163, eq. 4): -2/b mean log sigmoid(b(NLL / |answer| - delta)); logps, lengths (B,)."""
    return 2 / beta * F.softplus(-beta * (-logps / lengths - delta)).mean()


def rmu_loss(
    forget: Tensor,
    forget_mask: Tensor,
    retain: Tensor,
    ref_retain: Tensor,
    retain_mask: Tensor,
    *,
    c: float,
    alpha: float,
    seed: int,
) -> Tensor:
    """RMU (arXiv 2403.03218, eq. 1-3): mean squared distance of forget states to c u, and `alpha` times that of retain
    states to the reference's.

    States are (B, A, H), masks (B, A); the means are over the masked tokens and H. u is a unit vector drawn from `seed`.
    """
    # Drawn on the CPU: a GPU's generator would give another direction for the same seed.
    u = torch.rand(forget.shape[-1], generator=torch.Generator().manual_seed(seed))  # (H,)
    target = (c * u / u.norm()).to(forget)
    steering = _mean_square(forget - target, forget_mask)
    holding = _mean_square(retain - ref_retain, retain_mask)
    return steering + alpha * holding


def vkd_loss(
    forget: Tensor,
    forget_mask: Tensor,
    retain: Tensor,
    ref_retain: Tensor,
    retain_mask: Tensor,
    *,
    alpha: float,
) -> Tensor:
    """Distillation of picture features: forgotten pictures go to the middle of the retained, which stay where they are.

    Features are (B, L, H), masks (B, L). The middle (H,) is the mean of the reference's retained features. Squared
    distances are in units of the mean squared distance of these from it, so that a model's scale does not count.
    """
    said = ref_retain[retain_mask].float()  # (N, H)
    middle = said.mean(0)
    spread = (said - middle).square().mean()
    losing = _mean_square(forget - middle, forget_mask)
    staying = _mean_square(retain - ref_retain, retain_mask)
    return (losing + alpha * staying) / spread


def _mean_square(difference: Tensor, mask: Tensor) -> Tensor:
    """Of (B, A, H), over the masked tokens and H."""
    return _token_mean(difference.float().square().mean(-1), mask)


def _token_mean(per_token: Tensor, mask: Tensor) -> Tensor:
    """Of (B, A), over the masked tokens of the batch."""
    return (per_token * mask).sum() / mask.sum()
