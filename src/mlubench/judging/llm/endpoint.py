"""The judge `openai:<model>`: a model at an endpoint is asked, and what that costs is known before."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.endpoint.batches import Collected, collect, submit
from mlubench.endpoint.client import Chat, Messages, Parameters, Reply
from mlubench.endpoint.lifetimes import notices
from mlubench.endpoint.limits import Limits
from mlubench.endpoint.prices import BATCH_FACTOR, Spend, price_of, tokens_of
from mlubench.judging.llm.judge import LLMJudge, Outstanding
from mlubench.judging.llm.prompts import Prompts
from mlubench.judging.llm.ratings import SCHEMA
from mlubench.judging.llm.tools import JudgeTools, kept_replies
from mlubench.settings.judging import JudgeConfig

PATIENCE = 20.0  # seconds without any reply after which judging ends
_REPLY_TOKENS = 40  # of a short sentence and a score
_REPLY_SECONDS = 1.5  # a guess for want of a measurement


def openai_judge(name: str, tools: JudgeTools) -> LLMJudge:
    """The judge `openai:<model>`, which has not opened a connection yet."""
    prompts = _prompts(tools)
    return LLMJudge(name, _source(name, tools, prompts), prompts, kept_replies())


def require_endpoint(name: str, tools: JudgeTools) -> None:
    """Raises UsageError where the judge could not ask: no key, no package, no template, no price for its limit.

    Nothing is asked, and no cache is opened.
    """
    _source(name, tools, _prompts(tools)).connect()


def _prompts(tools: JudgeTools) -> Prompts:
    return Prompts(tools.settings.template, tools.settings.utility_truth)


def _source(name: str, tools: JudgeTools, prompts: Prompts) -> "EndpointSource":
    _, _, model = name.partition(":")
    # A prompt of the user's own is sent as it is, with nothing that asks for another form of reply.
    return EndpointSource(model, tools.settings, structured=prompts.own_words)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What judging would take."""

    questions: int
    # How many of the questions, each different one counted once, have a reply already.
    kept: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    # Dollars; None where the price is not known.
    money: float | None
    # A guess: nobody has measured this endpoint.
    seconds: float


class EndpointSource:
    """`model` at the endpoint. Nothing is opened before the first question: a forecast needs neither key nor network."""

    def __init__(self, model: str, settings: JudgeConfig, *, structured: bool) -> None:
        self.model, self.settings = model, settings
        self.parameters = Parameters(
            settings.max_tokens, settings.seed, SCHEMA if structured else None
        )
        price = price_of(model, settings.stated_prices())
        if settings.max_cost is not None and price is None:
            raise UsageError(
                f"the price of {model!r} is not known, so --max-cost cannot be held",
                f"Give it in dollars per million tokens: -s 'judging.prices={{{model}: {{prompt: 1, completion: 2}}}}'.",
            )
        self.spend = Spend(price, settings.max_cost)
        self._chat: Chat | None = None

    @property
    def identity(self) -> Any:
        depends_on = asdict(self.parameters)
        # A reply that was not cut off is the same under any other limit: who raises it pays for what was cut off alone.
        del depends_on["max_tokens"]
        return [self.model, depends_on]

    @property
    def chat(self) -> Chat:
        if self._chat is None:
            settings = self.settings
            limits = Limits(
                settings.timeout,
                settings.retries,
                settings.parallel,
                settings.requests_per_minute,
                settings.tokens_per_minute,
                patience=PATIENCE,
            )
            self._chat = Chat(
                self.model,
                limits,
                self.parameters,
                address=settings.base_url,
                spend=self.spend,
                limit_setting="judging.max_tokens",
            )
        return self._chat

    def connect(self) -> None:
        """Make the client, which asks nothing yet. Raises UsageError without a key or a package."""
        _ = self.chat

    def ask(
        self, asked: Sequence[Messages], readable: Callable[[str], bool]
    ) -> Iterator[list[tuple[int, Reply]]]:
        return self.chat.ask_in_groups(asked, readable) if asked else iter(())

    def stop(self, why: MlubenchError) -> None:
        self.chat.stop(why)

    def account(self) -> str:
        words = self.spend.in_words()
        if self._chat is None:
            return words
        if self._chat.lacking:
            words += f"; the endpoint does not take {', '.join(sorted(self._chat.lacking))}"
        if self._chat.cut_off:
            words += f"; {self._chat.cut_off:,} replies were cut off: raise judging.max_tokens"
        return words

    def check(self) -> None:
        self.chat.check()

    def notices(self) -> list[str]:
        return list(notices(self.chat, date.today()))

    def send_batches(self, asked: Mapping[str, Messages]) -> list[str]:
        return submit(self.chat, asked)

    def collect_batch(self, name: str) -> Collected:
        return collect(self.chat, name)

    def cost(self, todo: Outstanding, *, batch: bool) -> Mapping[str, int | float | None]:
        return asdict(self.forecast(todo, batch=batch))

    def forecast(self, todo: Outstanding, *, batch: bool = False) -> Forecast:
        """What asking these questions would take."""
        calls = len(todo.asked)
        prompt = sum(map(tokens_of, todo.asked.values()))
        completion = calls * min(_REPLY_TOKENS, self.settings.max_tokens)
        money = None
        if self.spend.price:
            money = self.spend.price.of(prompt, completion) * (BATCH_FACTOR if batch else 1)
        seconds = round(self._seconds(calls, prompt), 1)
        return Forecast(todo.questions, todo.known, calls, prompt, completion, money, seconds)

    def _seconds(self, calls: int, prompt: int) -> float:
        """The longest of what the endpoint, the limit of requests and the limit of tokens let it take."""
        settings = self.settings
        seconds = calls * _REPLY_SECONDS / settings.parallel
        if settings.requests_per_minute:
            seconds = max(seconds, 60 * (calls / settings.requests_per_minute))
        if settings.tokens_per_minute:
            # The endpoint counts the longest reply that it may send, not the one it sends.
            tokens = prompt + calls * settings.max_tokens
            seconds = max(seconds, 60 * (tokens / settings.tokens_per_minute))
        return seconds
