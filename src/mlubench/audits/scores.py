"""What a model's probabilities say of an answer, token by token, and the field's measures of them. No torch is loaded."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

# The share of the least likely tokens that Min-K% looks at (arXiv 2310.16789).
LEAST = 0.2


@dataclass(frozen=True, slots=True)
class TokenScores:
    """One answer as a model reads it; each tuple has a value for each token, the answer's end included."""

    text: str
    log_probs: tuple[float, ...]  # nats
    # Whether the model would have said this token itself.
    likeliest: tuple[bool, ...]
    # How far the log-probability is from the mean over the vocabulary, in standard deviations under the model.
    surprises: tuple[float, ...]


def mean_log_prob(scores: TokenScores) -> float:
    """The loss with its sign changed; nats a token."""
    return math.fsum(scores.log_probs) / len(scores.log_probs)


def min_k(scores: TokenScores) -> float:
    """Min-K%: the mean log-probability of the least likely tokens (arXiv 2310.16789)."""
    return _mean_of_least(scores.log_probs)


def min_k_plus_plus(scores: TokenScores) -> float:
    """Min-K%++: as `min_k`, with each token held against the whole vocabulary (arXiv 2404.02936)."""
    return _mean_of_least(scores.surprises)


def zlib_ratio(scores: TokenScores) -> float:
    """The log-probability for each byte of the compressed text, so that a long text is not unlikely for that alone."""
    return math.fsum(scores.log_probs) / len(zlib.compress(scores.text.encode()))


def extraction_strength(scores: TokenScores) -> float:
    """1 minus the shortest beginning after which the model says all the rest by itself, over the length (arXiv 2502.05374).

    1: it says everything unasked; 0: not even the last token follows from all before it.
    """
    length = len(scores.likeliest)
    own = 0
    for said in reversed(scores.likeliest):
        if not said:
            break
        own += 1
    return own / length


def is_first(values: Sequence[float]) -> bool:
    """Whether the first value is above all others. What is no number is below everything."""
    first, *others = values
    return not math.isnan(first) and all(math.isnan(other) or first > other for other in others)


def _mean_of_least(values: Sequence[float]) -> float:
    count = max(1, math.ceil(LEAST * len(values)))
    return math.fsum(sorted(values)[:count]) / count
