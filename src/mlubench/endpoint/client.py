"""One client of OpenAI-compatible endpoints: asynchronous, limited, retried; every failure is one line, never an answer."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.endpoint.completion import Answer, Longest, answer_of
from mlubench.endpoint.failures import ADDRESS, KEY, CutOffError, Failure, failure_of
from mlubench.endpoint.limits import Breaker, EndpointDownError, Limits, Rates
from mlubench.endpoint.prices import Spend, tokens_of

T = TypeVar("T")

# One conversation, as the endpoint takes it: each message has a `role` and its `content`, a text or a list of parts.
Messages = Sequence[Mapping[str, object]]
# Says of a reply's text whether it is of use to whoever asked.
Readable = Callable[[str], bool]
# How often a reply that came but cannot be read is asked for again, each time with another seed.
_REREAD = 2
# Parameters that an endpoint may lack, and the words by which it says so.
_OPTIONAL = {
    "response_format": ("response_format", "json_schema", "structured", "guided"),
    "seed": ("seed",),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
}


Reply = Answer | MlubenchError


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is sent with every conversation, at temperature 0."""

    max_tokens: int = 64
    seed: int | None = None
    # Asks for JSON of this form, where the endpoint offers that.
    schema: dict[str, object] | None = field(default=None, hash=False)

    def body(self) -> dict[str, object]:
        sent: dict[str, object] = {"temperature": 0, "max_tokens": self.max_tokens}
        if self.seed is not None:
            sent["seed"] = self.seed
        if self.schema is not None:
            form = {"name": "reply", "strict": True, "schema": self.schema}
            sent["response_format"] = {"type": "json_schema", "json_schema": form}
        return sent


class Chat:
    """Asks `model` at `address` or OPENAI_BASE_URL (neither: OpenAI's own) with OPENAI_API_KEY.

    `limit_setting` is the user's setting of `parameters.max_tokens`, which errors name.
    One connection pool, one breaker and one account serve all that is asked. What is asked runs in a thread of its own
    and is waited for in the caller's. Raises UsageError when a package or the key is missing.
    """

    def __init__(
        self,
        model: str,
        limits: Limits,
        parameters: Parameters | None = None,
        *,
        address: str | None = None,
        spend: Spend | None = None,
        limit_setting: str = "max_tokens",
    ) -> None:
        try:
            import aiolimiter  # noqa: F401 - used by Rates
            import openai
        except ImportError as error:
            raise UsageError(
                f"the {error.name} package is missing", "Run: pip install 'mlubench[judge]'."
            ) from None
        key = os.environ.get(KEY)
        if not key:
            raise UsageError(
                f"{KEY} is not set", f"Set it, and {ADDRESS} to the endpoint that serves {model}."
            )
        self._openai = openai
        self.model = model
        self.limits = limits
        self.parameters = parameters or Parameters()
        self.longest = Longest(self.parameters.max_tokens, limit_setting)
        self.spend = spend or Spend()
        # Replies that came and were cut off at the limit of tokens.
        self.cut_off = 0
        # The parameters that the endpoint refused, which are left out since.
        self.lacking: set[str] = set()
        # The package's own retries know neither our breaker nor our budget.
        self.client = openai.AsyncOpenAI(
            base_url=address or os.environ.get(ADDRESS) or None,
            api_key=key,
            timeout=limits.timeout,
            max_retries=0,
        )
        self._breaker = Breaker(limits)
        self._rates = Rates(limits)
        self._slots = asyncio.Semaphore(limits.parallel)
        # Why nothing more is to be sent of what is being asked.
        self._stopped: MlubenchError | None = None
        # What `ask_in_groups` is waiting for.
        self._under_way: list[Future[Reply]] = []
        # Tasks that wait with nothing sent, which can be cancelled at no loss.
        self._waiting: set[asyncio.Task[object]] = set()
        self._loop = asyncio.new_event_loop()
        # A thread of its own, so that a notebook's loop is no hindrance. A daemon, so that no process waits for its end.
        threading.Thread(target=self._loop.run_forever, daemon=True, name="chat").start()

    def run(self, work: Coroutine[object, None, T]) -> T:
        """The outcome of one coroutine, in the client's own loop."""
        return self._started(work).result()

    def _started(self, work: Coroutine[object, None, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def check(self) -> None:
        """Raises UsageError where the endpoint refuses the key or does not have the model.

        An endpoint that is down or busy is not a wrong setting: it may be back when it is needed.
        """
        asked = [{"role": "user", "content": "Reply with the word ready."}]
        outcome = self.run(self._attempt(asked, 0))
        if isinstance(outcome, Failure) and isinstance(outcome.error, UsageError):
            raise outcome.error

    def ask(self, conversations: Sequence[Messages]) -> Iterator[Reply]:
        """The reply to each conversation, in order and as they come; an error, not raised, where there is none."""
        futures = [self._started(self._reply(messages, None)) for messages in conversations]
        try:
            for future in futures:
                yield future.result()
        finally:
            _cancel(futures)

    def ask_in_groups(
        self, conversations: Sequence[Messages], readable: Readable
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Replies with the index of their conversation: each time all that have come since the last time.

        What is not readable is asked for again.
        """
        self._stopped = None
        index_of: dict[Future[Reply], int] = {}
        done: SimpleQueue[Future[Reply]] = SimpleQueue()
        for index, messages in enumerate(conversations):
            index_of[self._started(self._reply(messages, readable))] = index
        self._under_way = list(index_of)
        for future in index_of:
            future.add_done_callback(done.put)
        try:
            remaining = len(index_of)
            while remaining:
                futures = [done.get()]
                while not done.empty():
                    futures.append(done.get())
                remaining -= len(futures)
                yield [(index_of[future], self._outcome(future)) for future in futures]
        finally:
            _cancel(index_of)

    def _outcome(self, future: "Future[Reply]") -> Reply:
        """The reply that came; of what `stop` has cancelled, its reason."""
        if self._stopped is not None and future.cancelled():
            return self._stopped
        return future.result()

    def stop(self, why: MlubenchError) -> None:
        """Send nothing more of what `ask_in_groups` asks: conversations without a reply get `why`.

        What is under way may still bring one, except where the endpoint is down.
        """
        if self._stopped is not None:
            return
        self._stopped = why
        if isinstance(why, EndpointDownError):
            _cancel(self._under_way)
        else:
            self._loop.call_soon_threadsafe(lambda: _cancel(list(self._waiting)))

    @contextmanager
    def _nothing_sent(self) -> Iterator[None]:
        """Around a wait in which nothing is under way, so that `stop` can break it off."""
        task = asyncio.current_task()
        assert task is not None, "the client's coroutines run as tasks"
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)

    async def _reply(self, messages: Messages, readable: Readable | None) -> Reply:
        """The reply to one conversation, after as many attempts as the limits allow."""
        async with self._slots:
            if self._stopped:
                return self._stopped
            unreadable = 0
            for attempt in range(self.limits.retries + 1):
                try:
                    with self._nothing_sent():
                        await self._breaker.admit()
                except MlubenchError as error:
                    return error
                outcome = await self._paid_attempt(messages, unreadable)
                if isinstance(outcome, MlubenchError):
                    return outcome
                if isinstance(outcome, Answer):
                    if readable is None or readable(outcome.text):
                        return outcome
                    unreadable += 1
                    outcome = _unreadable(outcome.text, again=unreadable <= _REREAD)
                failure = outcome
                if isinstance(failure.error, CutOffError):
                    self.cut_off += 1
                if not failure.again or attempt == self.limits.retries:
                    break
                with self._nothing_sent():
                    await asyncio.sleep(self.limits.wait(attempt, failure.after))
            # One that stays busy to the end counts as one that is down.
            if failure.again and not failure.down:
                self._breaker.failed(failure.error.what, time.monotonic())
            return failure.error

    async def _paid_attempt(
        self, messages: Messages, seed_offset: int
    ) -> Answer | Failure | MlubenchError:
        """One attempt within rates and budget. An error is final, a Failure may be tried again."""
        prompt = tokens_of(messages)
        reserved = prompt, self.parameters.max_tokens
        with self._nothing_sent():
            await self._rates.admit(sum(reserved))
        if self._stopped:
            return self._stopped
        try:
            self.spend.reserve(*reserved)
        except MlubenchError as error:
            return error
        # Until more is known: an attempt that is cancelled or fails may have been read by the model.
        used = prompt, 0
        try:
            outcome = await self._attempt(messages, seed_offset)
            if outcome.tokens is not None:
                used = outcome.tokens
            elif isinstance(outcome, Failure) and not outcome.charged:
                used = 0, 0
        finally:
            self.spend.charge(reserved, used)
        return outcome

    async def _attempt(self, messages: Messages, seed_offset: int) -> Answer | Failure:
        """One attempt, of which the breaker is told."""
        started = time.monotonic()
        try:
            made = await self._create(messages, seed_offset)
        # The package lets errors of JSON and of the connection through as they are.
        except (self._openai.OpenAIError, ValueError, OSError) as error:
            outcome: Answer | Failure = failure_of(error, self.model)
        else:
            seconds = time.monotonic() - started
            outcome = answer_of(made, self.longest, tokens_of(messages), seconds)
        if outcome.tokens is not None:
            # Also where what came is of no use: the endpoint is up.
            self._breaker.worked()
        elif isinstance(outcome, Failure) and outcome.down:
            self._breaker.failed(outcome.error.what, started)
        return outcome

    async def _create(self, messages: Messages, seed_offset: int) -> object:
        """What the endpoint sends. Parameters that it does not know are left out from then on."""
        without: set[str] = set()
        while True:
            sent = self._body(without, seed_offset)
            request: dict[str, Any] = {"model": self.model, "messages": messages, **sent}
            try:
                made: object = await self.client.chat.completions.create(**request)
            except (self._openai.BadRequestError, self._openai.UnprocessableEntityError) as error:
                refused = _refused_parameters(sent, str(error))
                if refused:
                    self.lacking |= refused
                elif "response_format" in sent:
                    # Some refuse it without saying what they refuse: see whether it goes without.
                    without = {"response_format"}
                else:
                    raise
            else:
                self.lacking |= without
                return made

    def _body(self, without: set[str], seed_offset: int) -> dict[str, object]:
        """What is sent besides the conversation, without these parameters and those that the endpoint refused."""
        body = self.parameters.body()
        sent = {k: v for k, v in body.items() if k not in self.lacking | without}
        if "seed" in sent and self.parameters.seed is not None:
            # A reply that cannot be read comes again, word for word, unless the seed is another.
            sent["seed"] = self.parameters.seed + seed_offset
        if "max_tokens" in self.lacking:
            # What newer models of OpenAI call it.
            sent["max_completion_tokens"] = body["max_tokens"]
        return sent


def _refused_parameters(sent: Mapping[str, object], error: str) -> set[str]:
    """The parameters that an error names."""
    refused = set()
    for name, words in _OPTIONAL.items():
        if name in sent and any(word in error for word in words):
            refused.add(name)
    return refused


def _cancel(futures: Iterable[Future[T] | asyncio.Task[T]]) -> None:
    for future in futures:
        future.cancel()


def _unreadable(text: str, *, again: bool) -> Failure:
    shown = " ".join(text.split())[:80]
    return Failure(MlubenchError(f"the reply cannot be read: {shown!r}"), again=again, after=0)
