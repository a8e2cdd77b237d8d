"""One client of OpenAI-compatible endpoints: key and address from the environment, time-outs, retries, one-line errors."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlubench.errors import MlubenchError, UsageError

KEY, ADDRESS = "OPENAI_API_KEY", "OPENAI_BASE_URL"
_NO_MODEL = ("model", "模型")  # what endpoints say of a model they do not have, where they do not say 404
_LONGEST = 160


class Chat:
    """Asks `model` at OPENAI_BASE_URL (unset: OpenAI's own) with OPENAI_API_KEY.

    `timeout` in seconds is of one attempt; failed ones are made again up to `retries` times, after a wait that doubles and
    is jittered, as the openai package does. Raises UsageError when that package or the key is missing.
    """

    def __init__(self, model: str, *, timeout: float, retries: int, parallel: int, max_tokens: int = 64) -> None:
        try:
            import openai
        except ImportError:
            raise UsageError("the openai package is missing", "Run: pip install 'mlubench[judge]'.") from None
        key = os.environ.get(KEY)
        if not key:
            raise UsageError(f"{KEY} is not set", f"Set it, and {ADDRESS} to the endpoint that serves {model}.")
        self._openai = openai
        self.model, self.parallel, self.max_tokens = model, parallel, max_tokens
        address = os.environ.get(ADDRESS) or None
        self._client = openai.OpenAI(base_url=address, api_key=key, timeout=timeout, max_retries=retries)

    def check(self) -> None:
        """Raises UsageError where the endpoint refuses the key or does not have the model.

        An endpoint that is down or busy is not a wrong setting: it may be back when it is needed.
        """
        wrong = self._openai.AuthenticationError, self._openai.PermissionDeniedError, self._openai.NotFoundError
        try:
            self._create([{"role": "user", "content": "Reply with the word ready."}])
        except wrong as error:
            raise self._unusable(error) from None
        except self._openai.BadRequestError as error:
            if any(word in str(error).lower() for word in _NO_MODEL):
                raise self._unusable(error) from None
        except (self._openai.OpenAIError, ValueError):
            return

    def ask(self, conversations: Sequence[list[Any]]) -> Iterator[str | MlubenchError]:
        """The reply to each conversation, in order and as they come; an error, not raised, where there is none."""
        with ThreadPoolExecutor(self.parallel) as pool:
            yield from pool.map(self._reply, conversations)

    def _reply(self, messages: list[Any]) -> str | MlubenchError:
        try:
            reply = self._create(messages)
        except (self._openai.OpenAIError, ValueError) as error:
            return MlubenchError(f"the endpoint gave no answer ({_line(error)})", f"See {ADDRESS}.")
        choices = getattr(reply, "choices", None)  # what is no such reply at all comes through as text
        text = getattr(getattr(choices[0], "message", None), "content", None) if choices else None
        if not isinstance(text, str) or not text.strip():
            return MlubenchError("the endpoint's reply holds no text", f"Is {ADDRESS} an OpenAI-compatible endpoint?")
        return text.strip()

    def _create(self, messages: list[Any]) -> Any:
        return self._client.chat.completions.create(
            model=self.model, messages=messages, temperature=0, max_tokens=self.max_tokens
        )

    def _unusable(self, error: Exception) -> UsageError:
        return UsageError(
            f"the endpoint refuses model {self.model!r} ({_line(error)})", f"See {KEY}, {ADDRESS} and the model's name."
        )


def _line(error: Exception) -> str:
    """The error's kind and text on one line of bearable length."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:_LONGEST]}"
