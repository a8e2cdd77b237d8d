"""One client of OpenAI-compatible endpoints: asynchronous, limited, retried; every failure is one line, never an answer."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.endpoint.failures import ADDRESS, KEY, Failure, failure_of, no_reply
from mlubench.endpoint.limits import Breaker, EndpointDownError, Limits, Rates
from mlubench.endpoint.prices import Spend, tokens_of

Messages = list[Any]
Readable = Callable[[str], bool]
_REREAD = 2  # further tries for a reply that came but cannot be read, each with another seed
# Parameters that an endpoint may lack, and the words by which it says so.
_OPTIONAL = {
    "response_format": ("response_format", "json_schema", "structured", "guided"),
    "seed": ("seed",),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply's text, and what the endpoint says of how it was made. `tokens` are (prompt, completion)."""

    text: str
    model: str = ""
    fingerprint: str = ""
    tokens: tuple[int, int] = (0, 0)
    seconds: float = 0.0


Reply = Answer | MlubenchError


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is sent with every conversation, at temperature 0. `schema` asks for JSON of that form where that is offered."""

    max_tokens: int = 64
    seed: int | None = None
    schema: dict[str, Any] | None = field(default=None, hash=False)

    def body(self) -> dict[str, Any]:
        sent: dict[str, Any] = {"temperature": 0, "max_tokens": self.max_tokens}
        if self.seed is not None:
            sent["seed"] = self.seed
        if self.schema is not None:
            form = {"name": "reply", "strict": True, "schema": self.schema}
            sent["response_format"] = {"type": "json_schema", "json_schema": form}
        return sent


class Chat:
    """Asks `model` at `address` or OPENAI_BASE_URL (neither: OpenAI's own) with OPENAI_API_KEY.

    One connection pool, one breaker and one account for all that is asked. Raises UsageError when a package or the key is
    missing. `lacking` names the parameters that the endpoint refused and that are left out since.
    """

    def __init__(
        self,
        model: str,
        limits: Limits,
        parameters: Parameters | None = None,
        *,
        address: str | None = None,
        spend: Spend | None = None,
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
        self.model, self.limits, self.parameters = model, limits, parameters or Parameters()
        self.spend = spend or Spend()
        self.lacking: set[str] = set()
        address = address or os.environ.get(ADDRESS) or None
        self.client = openai.AsyncOpenAI(
            base_url=address, api_key=key, timeout=limits.timeout, max_retries=0
        )
        self._breaker, self._rates, self._slots = (
            Breaker(limits),
            Rates(limits),
            asyncio.Semaphore(limits.parallel),
        )
        self._stopped: MlubenchError | None = None
        self._heard: list[Future[Any]] = []
        self._idle: set[Any] = set()  # tasks
        self._loop = asyncio.new_event_loop()
        # A thread of its own, so that a notebook's loop is no hindrance; a daemon, so that no process waits for it to end.
        threading.Thread(target=self._loop.run_forever, daemon=True, name="chat").start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The outcome of one coroutine, in the client's own loop."""
        return self._started(work).result()

    def _started(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
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
        waiting = [self._started(self._reply(messages, None)) for messages in conversations]
        try:
            for one in waiting:
                yield one.result()
        finally:
            _cancel(waiting)

    def hear(
        self, conversations: Sequence[Messages], readable: Readable
    ) -> Iterator[list[tuple[int, Reply]]]:
        """Replies with the number of their conversation: each time all that have come since the last time.

        What is not readable is asked for again.
        """
        self._stopped = None
        waiting = {self._started(self._reply(m, readable)): n for n, m in enumerate(conversations)}
        self._heard = list(waiting)
        came: SimpleQueue[Future[Any]] = SimpleQueue()
        for one in waiting:
            one.add_done_callback(came.put)
        try:
            left = len(waiting)
            while left:
                group = [came.get()]
                while not came.empty():
                    group.append(came.get())
                left -= len(group)
                stopped = self._stopped
                yield [
                    (waiting[one], stopped if stopped and one.cancelled() else one.result())
                    for one in group
                ]
        finally:
            _cancel(waiting)

    def stop(self, why: MlubenchError) -> None:
        """Send nothing more of what is being heard: conversations without a reply get `why`.

        What is under way may still bring one, except where the endpoint is down.
        """
        if self._stopped is None:
            self._stopped = why
            if isinstance(why, EndpointDownError):
                _cancel(self._heard)
            else:
                self._loop.call_soon_threadsafe(lambda: _cancel(list(self._idle)))

    @contextmanager
    def _waits(self) -> Iterator[None]:
        """Around a wait in which nothing is under way, so that it can be broken off."""
        task = asyncio.current_task()
        self._idle.add(task)
        try:
            yield
        finally:
            self._idle.discard(task)

    async def _reply(self, messages: Messages, readable: Readable | None) -> Reply:
        async with self._slots:
            if self._stopped:
                return self._stopped
            unread = 0
            for attempt in range(self.limits.retries + 1):
                try:
                    with self._waits():
                        await self._breaker.admit()
                except MlubenchError as error:
                    return error
                outcome = await self._paid(messages, unread)
                if isinstance(outcome, MlubenchError):
                    return outcome
                if isinstance(outcome, Answer):
                    if readable is None or readable(outcome.text):
                        return outcome
                    unread += 1
                    outcome = Failure(_unreadable(outcome.text), again=unread <= _REREAD, after=0)
                failure = outcome
                if not failure.again or attempt == self.limits.retries:
                    break
                with self._waits():
                    await asyncio.sleep(self.limits.wait(attempt, failure.after))
            if (
                failure.again and not failure.down
            ):  # one that stays busy to the end counts as one that is down
                self._breaker.failed(failure.error.what, time.monotonic())
            return failure.error

    async def _paid(self, messages: Messages, turn: int) -> Answer | Failure | MlubenchError:
        """One attempt within rates and budget. An error is final."""
        reserved = tokens_of(messages), self.parameters.max_tokens
        with self._waits():
            await self._rates.admit(sum(reserved))
        if self._stopped:
            return self._stopped
        try:
            self.spend.reserve(*reserved)
        except MlubenchError as error:
            return error
        used = reserved[0], 0
        try:
            outcome = await self._attempt(messages, turn)
            if isinstance(outcome, Answer):
                used = outcome.tokens
            elif not outcome.charged:
                used = 0, 0
        finally:
            self.spend.settle(reserved, used)
        return outcome

    async def _attempt(self, messages: Messages, turn: int) -> Answer | Failure:
        started = time.monotonic()
        try:
            made = await self._create(messages, turn)
        # The package lets errors of JSON and of the connection through as they are.
        except (self._openai.OpenAIError, ValueError, OSError) as error:
            outcome: Answer | Failure = failure_of(error, self.model)
        else:
            outcome = answer_of(made, tokens_of(messages), time.monotonic() - started)
        if isinstance(outcome, Answer):
            self._breaker.worked()
        elif outcome.down:
            self._breaker.failed(outcome.error.what, started)
        return outcome

    async def _create(self, messages: Messages, turn: int) -> Any:
        """What the endpoint sends; parameters that it does not know are left out from then on."""
        body, trial = self.parameters.body(), ""
        while True:
            sent = {k: v for k, v in body.items() if k not in self.lacking | {trial}}
            if "seed" in sent:
                sent["seed"] += turn
            if "max_tokens" in self.lacking:
                sent["max_completion_tokens"] = body["max_tokens"]
            try:
                made = await self.client.chat.completions.create(
                    model=self.model, messages=messages, **sent
                )
            except (self._openai.BadRequestError, self._openai.UnprocessableEntityError) as error:
                named = [
                    n
                    for n, words in _OPTIONAL.items()
                    if n in sent and any(w in str(error) for w in words)
                ]
                if named:
                    self.lacking.update(named)
                elif "response_format" in sent:
                    trial = "response_format"  # some refuse it without saying what they refuse
                else:
                    raise
                continue
            self.lacking.update([trial] if trial else [])
            return made


def _cancel(waiting: Any) -> None:
    for one in waiting:
        one.cancel()


def answer_of(made: Any, prompt_tokens: int, seconds: float) -> Answer | Failure:
    """The answer in what the endpoint sent with status 200, which may be anything."""
    choices = getattr(made, "choices", None)  # what is no such reply at all comes through as text
    message = (
        getattr(choices[0], "message", None) if isinstance(choices, list) and choices else None
    )
    text = getattr(message, "content", None)
    if not isinstance(text, str) or not text.strip():
        return no_reply("the endpoint's reply holds no text")
    usage = getattr(made, "usage", None)
    counted = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
    known = [n if isinstance(n, int) and n >= 0 else None for n in counted]
    tokens = (
        known[0] if known[0] is not None else prompt_tokens,
        known[1] if known[1] is not None else len(text.encode(errors="replace")) // 3,
    )
    said = [getattr(made, name, None) for name in ("model", "system_fingerprint")]
    model, fingerprint = (x if isinstance(x, str) else "" for x in said)
    return Answer(text.strip(), model, fingerprint, tokens, seconds)


def _unreadable(text: str) -> MlubenchError:
    return MlubenchError(f"the reply cannot be read: {' '.join(text.split())[:80]!r}")
