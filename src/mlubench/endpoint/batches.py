"""The batch API: questions go up as a file, the client may be closed, and the replies are fetched hours later."""

import json
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest
from mlubench.endpoint.client import Chat, Messages, Reply
from mlubench.endpoint.completion import Answer, Longest, answer_of
from mlubench.endpoint.failures import CutOffError, Failure, failure_of
from mlubench.endpoint.prices import BATCH_FACTOR, OverBudgetError, tokens_of

T = TypeVar("T")

# Of one file. OpenAI takes 50,000 lines and 200 MB.
MOST = 50_000
MOST_BYTES = 150_000_000
# The key of the metadata by which a batch is found again.
_TAG = "mlubench"
_V1 = "/v1"
# The package takes only literals here, of which an f-string is none.
_URL: Any = f"{_V1}/chat/completions"
# States in which nothing more will come.
_OVER = ("completed", "expired", "cancelled", "failed")
# Over, and to be sent again.
_WITHOUT_REPLIES = ("failed", "expired", "cancelled")
_WAIT = "Wait, and call `mlubench judge RUN --batch` again."


@dataclass(frozen=True, slots=True)
class Collected:
    """How far a batch is."""

    # The endpoint's word: "in_progress", "completed" and the like.
    state: str
    # How many questions have been answered.
    done: int
    # By key, once the batch is over, of the questions that have a reply. An error is one that would come again.
    replies: dict[str, Reply]

    @property
    def over(self) -> bool:
        return self.state in _OVER


def submit(chat: Chat, asked: Mapping[str, Messages]) -> list[str]:
    """Send the questions, by key, as batches; their ids. What was sent before is found again by its tag, not sent twice.

    Raises OverBudgetError where the longest replies could cost more than is allowed, MlubenchError where it is refused.
    """
    price = chat.spend.price
    limit = chat.spend.limit
    if limit is not None and price is not None:
        prompt = sum(map(tokens_of, asked.values()))
        completion = len(asked) * chat.parameters.max_tokens
        most = price.of(prompt, completion) * BATCH_FACTOR
        if most > limit:
            raise OverBudgetError(
                f"the batch may cost ${most:.2f}, the budget is ${limit:g}", "Raise --max-cost."
            )
    return [_guarded(chat, _submitted(chat, part)) for part in _parts(chat, asked)]


def collect(chat: Chat, name: str) -> Collected:
    """How far a batch is, and its replies once it is over. Raises MlubenchError where the endpoint does not say."""
    return _guarded(chat, _collected(chat, name))


def _guarded(chat: Chat, work: Coroutine[object, None, T]) -> T:
    """The outcome of work at the endpoint; whatever goes wrong there is one line and may be tried again."""
    import openai

    try:
        return chat.run(work)
    except (openai.OpenAIError, ValueError, OSError, AttributeError) as error:
        raise MlubenchError(
            f"the batch API failed: {failure_of(error, chat.model).error.what}", _WAIT
        ) from error


def _parts(chat: Chat, asked: Mapping[str, Messages]) -> Iterator[bytes]:
    """Files of requests, none too long for the endpoint."""
    lines: list[bytes] = []
    size = 0
    for key, messages in asked.items():
        body = {"model": chat.model, "messages": messages, **chat.parameters.body()}
        request = {"custom_id": key, "method": "POST", "url": _URL, "body": body}
        line = json.dumps(request).encode() + b"\n"
        if lines and (len(lines) == MOST or size + len(line) > MOST_BYTES):
            yield b"".join(lines)
            lines = []
            size = 0
        lines.append(line)
        size += len(line)
    if lines:
        yield b"".join(lines)


async def _submitted(chat: Chat, part: bytes) -> str:
    tag = digest(part.decode())
    # A client that was killed between sending and writing down finds its batch here.
    recent = await chat.client.batches.list(limit=100)
    for batch in recent.data:
        is_ours = (batch.metadata or {}).get(_TAG) == tag
        if is_ours and batch.status not in _WITHOUT_REPLIES:
            return str(batch.id)
    file = await chat.client.files.create(file=(f"{_TAG}-{tag}.jsonl", part), purpose="batch")
    made = await chat.client.batches.create(
        input_file_id=file.id, endpoint=_URL, completion_window="24h", metadata={_TAG: tag}
    )
    return str(made.id)


async def _collected(chat: Chat, name: str) -> Collected:
    batch = await chat.client.batches.retrieve(name)
    done = batch.request_counts.completed if batch.request_counts else 0
    if batch.status not in _OVER or not batch.output_file_id:
        return Collected(batch.status, done, {})
    text = (await chat.client.files.content(batch.output_file_id)).text
    replies: dict[str, Reply] = {}
    prompt = 0
    completion = 0
    for key, outcome in _outcomes(text, chat.longest):
        tokens = outcome.tokens
        # Without tokens it is no reply at all, and asked for again.
        if tokens is None:
            continue
        prompt += tokens[0]
        completion += tokens[1]
        replies[key] = outcome if isinstance(outcome, Answer) else outcome.error
    chat.cut_off += sum(isinstance(reply, CutOffError) for reply in replies.values())
    chat.spend.requests += len(replies)
    # At half the price: so many tokens cost as much as half of them otherwise.
    used = round(prompt * BATCH_FACTOR), round(completion * BATCH_FACTOR)
    chat.spend.charge((0, 0), used)
    return Collected(batch.status, done, replies)


def _outcomes(text: str, longest: Longest) -> Iterator[tuple[str, Answer | Failure]]:
    """What became of the questions, by a batch's file of results. Who has no line there is asked again."""
    for line in text.splitlines():
        try:
            row = json.loads(line, object_hook=lambda found: SimpleNamespace(**found))
        except (ValueError, RecursionError, TypeError):
            continue
        key = getattr(row, "custom_id", None)
        response = getattr(row, "response", None)
        if not isinstance(key, str) or getattr(response, "status_code", None) != 200:
            continue
        yield key, answer_of(getattr(response, "body", None), longest, 0, 0.0)
