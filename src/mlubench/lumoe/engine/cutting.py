"""What leaves of an answer: no more than was wanted of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlubench.lumoe.engine.requests import Wanted
from mlubench.models.mllm import MLLM


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer as it leaves."""

    text: str
    ended: Literal["stop", "length"]
    # With the one that ends it.
    tokens: int


def cut_to(
    mllm: MLLM, text: str, tokens: Sequence[int] | None, wanted: Wanted, *, whole: bool
) -> Cut:
    """The answer before the first stop, and no longer than its limit.

    `tokens` are those of the text, where a model gave it; `whole` says that it ended by itself.
    """
    if tokens is None:
        tokens = mllm.tokenizer(text, add_special_tokens=False)["input_ids"]
    limit = wanted.max_new_tokens
    if len(tokens) >= limit:
        tokens = tokens[:limit]
        text = mllm.text_of(tokens)
        whole = False
    places = [text.find(end) for end in wanted.stop if end in text]
    if places:
        text = text[: min(places)]
        tokens = mllm.tokenizer(text, add_special_tokens=False)["input_ids"]
        return Cut(text, "stop", len(tokens) + 1)
    if whole:
        return Cut(text, "stop", len(tokens) + 1)
    return Cut(text, "length", len(tokens))
