"""Which token comes next: the likeliest, or one that is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the tokens of one answer are chosen."""

    # 0: always the likeliest.
    temperature: float = 0.0
    # Only the likeliest tokens that have this probability together are drawn from.
    top_p: float = 1.0
    # The same seed draws the same answer, whatever else is in the batch. None: another one each time.
    seed: int | None = None

    def generator(self) -> torch.Generator | None:
        """What this answer is drawn with; None where nothing is drawn."""
        if self.temperature == 0:
            return None
        generator = torch.Generator()
        if self.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.seed)
        return generator


GREEDY = Sampling()


def pick(
    scores: Tensor,
    samplings: Sequence[Sampling],
    generators: Sequence[torch.Generator | None],
) -> Tensor:
    """The next token of each row, (B,), by the scores (B, V)."""
    tokens = scores.argmax(-1)
    for row, (sampling, generator) in enumerate(zip(samplings, generators, strict=True)):
        if generator is not None:
            tokens[row] = _drawn(scores[row].cpu(), sampling, generator)
    return tokens


def _drawn(scores: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    probabilities = (scores / sampling.temperature).softmax(-1)
    ordered, tokens = probabilities.sort(descending=True)
    # What is likelier than each token; the likeliest is always among those drawn from.
    before = ordered.cumsum(-1) - ordered
    ordered = ordered.masked_fill(before >= sampling.top_p, 0)
    ordered[0] = ordered[0].clamp(min=1e-12)
    return tokens[torch.multinomial(ordered, 1, generator=generator)[0]]
