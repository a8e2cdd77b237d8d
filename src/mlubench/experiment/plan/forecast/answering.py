"""A batch of answers, counted: the prompts with their pictures, and one step of generation behind them."""

from dataclasses import dataclass

import torch
from transformers import DynamicCache

from mlubench.experiment.plan.forecast.inputs import Shown, language_inputs
from mlubench.experiment.plan.forecast.texts import TextLengths
from mlubench.models.counting import Count, counted
from mlubench.models.mllm import MLLM


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """Of one batch of questions."""

    # Pictures and prompts, up to the first token of each answer.
    prompt: Count
    # One token more for each answer.
    step: Count
    # Keys and values of a token of every row.
    cache_bytes_a_token: int

    def peak_bytes(self, new_tokens: int) -> int:
        """The most that lives at once beyond the weights, for answers of so many tokens."""
        return (
            max(self.prompt.peak_bytes, self.step.peak_bytes)
            + new_tokens * self.cache_bytes_a_token
        )


def count_answers(mllm: MLLM, rows: int, texts: TextLengths, shown: Shown | None) -> AnswerCounts:
    """Count a batch, with the adapter that is mounted."""
    cache = DynamicCache()
    with counted(mllm.model) as prompt, torch.no_grad():
        inputs = language_inputs(mllm, rows, texts.prompt, shown)
        mllm.model(**inputs, cache=cache, use_cache=True, logits_to_keep=1)
    length = inputs["inputs_embeds"].shape[1]
    cache_bytes = 0
    for layer in cache.layers:
        cache_bytes += layer.keys.nbytes + layer.values.nbytes
    with counted(mllm.model) as step, torch.no_grad():
        one = language_inputs(mllm, rows, 1, None, past=length)
        mllm.model(**one, cache=cache, use_cache=True, logits_to_keep=1)
    # What the cache held before lived all the while.
    step.peak_bytes += cache_bytes
    return AnswerCounts(prompt, step, cache_bytes // length)
