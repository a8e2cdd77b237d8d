"""What judging costs: prices per million tokens, an estimate of tokens, and the account of what was spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlubench.core.errors import MlubenchError
from mlubench.settings.endpoint import ModelPrice

MILLION = 1_000_000
BATCH_FACTOR = 0.5  # of the ordinary price: OpenAI's batch API
# Dollars per million tokens (prompt, completion). OpenAI's price list, as quoted in June 2026; `judging.prices` overrides.
PRICES: Mapping[str, tuple[float, float]] = {
    "gpt-4o-2024-08-06": (2.5, 10),
    "gpt-4o-2024-11-20": (2.5, 10),
    "gpt-4o-mini-2024-07-18": (0.15, 0.6),
    "gpt-4.1-2025-04-14": (2, 8),
    "gpt-4.1-mini-2025-04-14": (0.4, 1.6),
    "gpt-4.1-nano-2025-04-14": (0.1, 0.4),
}


class OverBudgetError(MlubenchError):
    """One request more could cost more than is allowed."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    prompt: float
    completion: float

    def of(self, prompt: float, completion: float) -> float:
        return (prompt * self.prompt + completion * self.completion) / MILLION


def price_of(model: str, own: Mapping[str, ModelPrice], *, built_in: bool = True) -> Price | None:
    """The user's own price of a model, or the built-in one. None where there is neither."""
    if model in own:
        return Price(own[model].prompt, own[model].completion)
    if built_in and model in PRICES:
        return Price(*PRICES[model])
    return None


def tokens_of(messages: Sequence[Mapping[str, object]]) -> int:
    """About how many tokens the texts of a conversation are: a token is 3 to 4 bytes of UTF-8 in most vocabularies."""
    texts: list[str] = []
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            # Pictures are parts too; what they cost is the endpoint's own reckoning.
            texts += [part["text"] for part in content if part["type"] == "text"]
    size = sum(len(text.encode(errors="replace")) for text in texts)
    # Chat templates put about eight tokens around each message.
    return size // 3 + 8 * len(messages)


class Spend:
    """Tokens and dollars so far. What is under way is reserved, so that `limit` holds however many ask at once."""

    def __init__(self, price: Price | None = None, limit: float | None = None) -> None:
        self.price = price
        # Dollars.
        self.limit = limit
        self.requests = 0
        # Tokens.
        self.prompt = 0
        self.completion = 0
        # Dollars that what is under way may still cost.
        self._reserved = 0.0

    @property
    def money(self) -> float | None:
        """Dollars; None where the price is not known."""
        return self.price.of(self.prompt, self.completion) if self.price else None

    def in_words(self) -> str:
        """Requests, tokens and dollars so far, in words."""
        words = f"{self.requests:,} requests, {self.prompt + self.completion:,} tokens"
        if self.money is not None:
            words += f", ${self.money:.4f}"
        return words

    def reserve(self, prompt: int, completion: int) -> None:
        """Set aside what a request may cost. Raises OverBudgetError where that could pass the limit."""
        most = self.price.of(prompt, completion) if self.price else 0.0
        if self.limit is not None and (self.money or 0) + self._reserved + most > self.limit:
            raise OverBudgetError(
                f"the budget of ${self.limit:g} is used up (${self.money or 0:.4f} spent)",
                "Raise --max-cost; the same command goes on from here and pays for nothing twice.",
            )
        self.requests += 1
        self._reserved += most

    def charge(self, reserved: tuple[int, int], used: tuple[int, int]) -> None:
        """Put what was used in the place of what was reserved, both as (prompt, completion) tokens."""
        if self.price:
            self._reserved -= self.price.of(*reserved)
        self.prompt += used[0]
        self.completion += used[1]
