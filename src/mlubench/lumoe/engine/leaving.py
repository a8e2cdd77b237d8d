"""An answer as it leaves: refusals alike, and no more than was wanted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.looking_again import Reply
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from mlubench.lumoe.engine.requests import Finished, Job, Wanted
from mlubench.models.mllm import MLLM

# A draft is made so long at least, in tokens, before it is looked at, however little of it the caller wants. Otherwise a
# fact could be fetched in pieces, none of which tells it.
LOOKED_AT = 64
# Whether a text is a refusal.
IsRefusal = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left of a text."""

    text: str
    ended: Literal["stop", "length"]
    # With the one that ends it.
    tokens: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model said, before the second look."""

    text: str
    # None where whoever generated did not say.
    tokens: Sequence[int] | None
    # Whether it ended by itself.
    complete: bool
    prompt_tokens: int


def by_a_model(
    mllm: MLLM, job: Job, draft: Draft, reply: Reply, is_refusal: IsRefusal | None
) -> Finished:
    """The answer that a draft has come to, after the second look.

    What an expert says and `is_refusal` holds for a refusal becomes the one fixed text.
    """
    text = reply.text
    whole = draft.complete
    tokens = draft.tokens
    by_expert = bool(job.route.experts) or reply.second_look is not None
    if by_expert and is_refusal is not None and is_refusal(text):
        text = GATE_REFUSAL
    if text != draft.text:
        # The draft's tokens are another text's.
        tokens = None
        whole = True
    cut = cut_to(mllm, text, tokens, job.ticket.wanted, whole=whole)
    route = job.first_route or job.route
    return Finished(cut.text, cut.ended, draft.prompt_tokens, cut.tokens, route, reply.second_look)


def refused(mllm: MLLM, job: Job, fault: str) -> Finished:
    """The fixed refusal, which looks as if a model had given it."""
    cut = cut_to(mllm, GATE_REFUSAL, None, job.ticket.wanted, whole=True)
    route = job.first_route or job.route
    prompt_tokens = _prompt_tokens(mllm, job)
    return Finished(cut.text, cut.ended, prompt_tokens, cut.tokens, route, job.look, fault)


def _prompt_tokens(mllm: MLLM, job: Job) -> int:
    """Counted though no model was asked, so that the count does not tell."""
    try:
        return len(mllm.encode([job.request.query])["input_ids"][0])
    except MlubenchError:
        return 0


def cut_to(
    mllm: MLLM, text: str, tokens: Sequence[int] | None, wanted: Wanted, *, whole: bool
) -> Cut:
    """The text before the first stop, and no longer than its limit.

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
        whole = True
    if whole:
        return Cut(text, "stop", len(tokens) + 1)
    return Cut(text, "length", len(tokens))
