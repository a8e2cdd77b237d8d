"""Replies from an OpenAI-compatible endpoint, and what they will cost before anything is asked."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.endpoint.client import Chat, Messages, Parameters, Reply
from mlubench.endpoint.limits import Limits
from mlubench.endpoint.prices import BATCH_FACTOR, Spend, price_of, tokens_of
from mlubench.judging.llm.judge import Outstanding
from mlubench.judging.llm.ratings import SCHEMA
from mlubench.settings.judging import JudgeConfig

PATIENCE = 20.0  # seconds without any reply after which judging ends
_REPLY_TOKENS = 40  # of a short sentence and a score
_REPLY_SECONDS = 1.5  # a guess for want of a measurement


@dataclass(frozen=True, slots=True)
class Forecast:
    """What judging would take. `money` in dollars is None where the price is not known, `seconds` a guess."""

    questions: int
    kept: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    money: float | None
    seconds: float


class EndpointSource:
    """`model` at the endpoint. Nothing is opened before the first question: a forecast needs neither key nor network."""

    def __init__(self, model: str, settings: JudgeConfig, *, structured: bool) -> None:
        self.model, self.settings = model, settings
        self.parameters = Parameters(
            settings.max_tokens, settings.seed, SCHEMA if structured else None
        )
        price = price_of(model, settings.prices)
        if settings.max_cost is not None and price is None:
            raise UsageError(
                f"the price of {model!r} is not known, so --max-cost cannot be held",
                f"Give it in dollars per million tokens: -s 'judging.prices={{{model}: {{prompt: 1, completion: 2}}}}'.",
            )
        self.spend = Spend(price, settings.max_cost)
        self._chat: Chat | None = None

    @property
    def identity(self) -> Any:
        return [self.model, asdict(self.parameters)]

    @property
    def chat(self) -> Chat:
        if self._chat is None:
            s = self.settings
            limits = Limits(
                s.timeout,
                s.retries,
                s.parallel,
                s.requests_per_minute,
                s.tokens_per_minute,
                patience=PATIENCE,
            )
            self._chat = Chat(
                self.model, limits, self.parameters, address=s.base_url, spend=self.spend
            )
        return self._chat

    def hear(
        self, asked: Sequence[Messages], readable: Callable[[str], bool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        return self.chat.hear(asked, readable) if asked else iter(())

    def stop(self, why: MlubenchError) -> None:
        self.chat.stop(why)

    def account(self) -> str:
        lacking = ", ".join(sorted(self._chat.lacking)) if self._chat else ""
        return self.spend.told() + (f"; the endpoint does not take {lacking}" if lacking else "")

    def forecast(self, todo: Outstanding, *, batch: bool = False) -> Forecast:
        prompt = sum(map(tokens_of, todo.asked.values()))
        calls, settings = len(todo.asked), self.settings
        completion = calls * min(_REPLY_TOKENS, settings.max_tokens)
        money = (
            self.spend.price.of(prompt, completion) * (BATCH_FACTOR if batch else 1)
            if self.spend.price
            else None
        )
        minutes = [
            calls / settings.requests_per_minute if settings.requests_per_minute else 0.0,
            (prompt + calls * settings.max_tokens) / settings.tokens_per_minute
            if settings.tokens_per_minute
            else 0.0,
        ]
        seconds = max(calls * _REPLY_SECONDS / settings.parallel, 60 * max(minutes))
        return Forecast(
            todo.questions, todo.known, calls, prompt, completion, money, round(seconds, 1)
        )
