"""Has a model read answers: what it would have said at each token, with whatever adapters are on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mlubench.audits.scores import TokenScores
from mlubench.models.answers import IGNORE, answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query


def log_softmaxes(
    mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]
) -> list[tuple[Tensor, Tensor]]:
    """For each answer the log-probabilities (A, V), float32 on the CPU, and its tokens (A,), its end included."""
    with mllm.no_gradients():
        logits, labels = answer_logits(mllm.model, mllm.encode(queries, answers))
        found = torch.log_softmax(logits.float(), -1).cpu()  # (B, A, V)
    labels = labels.cpu()
    rows = []
    for row, tokens in zip(found, labels, strict=True):
        real = tokens != IGNORE
        rows.append((row[real], tokens[real]))
    return rows


def token_scores(mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]) -> list[TokenScores]:
    """The scores of each answer, in order."""
    read = log_softmaxes(mllm, queries, answers)
    return [_scores(answer, *of_one) for answer, of_one in zip(answers, read, strict=True)]


def _scores(answer: str, log_probs: Tensor, tokens: Tensor) -> TokenScores:
    of_tokens = log_probs.gather(1, tokens[:, None])[:, 0]  # (A,)
    weights = log_probs.exp()
    mean = (weights * log_probs).sum(1)
    spread = (weights * (log_probs - mean[:, None]).square()).sum(1).sqrt().clamp_min(1e-6)
    return TokenScores(
        answer,
        log_probs=tuple(of_tokens.tolist()),
        likeliest=tuple((log_probs.argmax(1) == tokens).tolist()),
        surprises=tuple(((of_tokens - mean) / spread).tolist()),
    )
