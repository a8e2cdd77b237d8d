"""The paper's gate: a large multimodal model behind an OpenAI-compatible endpoint is asked in two steps."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from mlubench.core.errors import MlubenchError
from mlubench.data.pictures import data_uri
from mlubench.endpoint.client import Chat, Parameters
from mlubench.endpoint.limits import Limits
from mlubench.endpoint.prices import Spend, price_of
from mlubench.lumoe.gates.base import ModelAccess
from mlubench.lumoe.gates.replies import Reply
from mlubench.lumoe.gates.two_steps import Ask, TwoSteps, read_template
from mlubench.models.query import Query
from mlubench.settings.gates import AskedGateConfig, GateConfig

# Prompts with their pictures that are made ready for each question under way.
_ENCODED_AHEAD = 8


class MllmGate(TwoSteps):
    """Source: arXiv 2606.12809, where GLM-4V-Plus is asked; class first, then the entity from the class's list."""

    name = "mllm"
    elsewhere: ClassVar[bool] = True

    def _asker(self, access: ModelAccess, settings: AskedGateConfig) -> Ask:
        """Raises UsageError when the openai package or the key is missing."""
        chat = chat_of(settings)
        self.spend = chat.spend
        # The picture's size is part of who answers: a reply to a smaller picture may be another one.
        who = f"{settings.model} {settings.max_side}"
        return lambda queries: access.replies.ask(
            who, queries, lambda new: _answers(chat, new, settings.max_side)
        )

    @staticmethod
    def check(config: GateConfig) -> None:
        """Raises UsageError for settings with which no query could be routed; asks the endpoint one short question."""
        read_template(config.mllm.template)
        chat_of(config.mllm).check()


def chat_of(settings: AskedGateConfig) -> Chat:
    """The endpoint, its limits and its price: that of the settings where they name one, else the known one."""
    price = price_of(settings.model, settings.stated_prices())
    limits = Limits(settings.timeout, settings.retries, settings.parallel)
    return Chat(
        settings.model,
        limits,
        Parameters(settings.max_tokens),
        spend=Spend(price),
        limit_setting="gates.mllm.max_tokens",
    )


def _answers(chat: Chat, queries: Sequence[Query], side: int) -> Iterator[Reply]:
    """Replies in order, as they come; a picture that cannot be read has its error as a reply.

    Pictures are encoded a few at a time, since a whole cell of them would fill the memory.
    """
    step = _ENCODED_AHEAD * chat.limits.parallel
    for start in range(0, len(queries), step):
        prompts = [_messages(query, side) for query in queries[start : start + step]]
        replies = chat.ask([prompt for prompt in prompts if isinstance(prompt, list)])
        for prompt in prompts:
            if isinstance(prompt, MlubenchError):
                yield prompt
                continue
            reply = next(replies)
            yield reply if isinstance(reply, MlubenchError) else reply.text


def _messages(query: Query, side: int) -> list[Any] | MlubenchError:
    content: list[dict[str, Any]] = []
    if query.image is not None:
        try:
            uri = data_uri(query.image, side)
        except MlubenchError as error:
            return error
        content.append({"type": "image_url", "image_url": {"url": uri}})
    content.append({"type": "text", "text": query.question})
    return [{"role": "user", "content": content}]
