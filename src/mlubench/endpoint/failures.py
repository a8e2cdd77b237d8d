"""What became of a request that brought no reply: whether to ask again, when, and whether it may have cost something."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.endpoint.limits import LONGEST_RETRY_AFTER

if TYPE_CHECKING:
    from openai import APIStatusError

# The environment variables.
KEY = "OPENAI_API_KEY"
ADDRESS = "OPENAI_BASE_URL"
# Statuses that may pass by themselves, and those that no second attempt changes.
_BUSY = 429
_LATER = (408, 409, 425, _BUSY)
_REFUSED = (401, 403, 404)
# A 429 of an account without money, which no waiting fills.
_QUOTA = "insufficient_quota"
# What endpoints say of a model that they do not have, where they do not say 404: a word of each.
_MODEL_WORDS = ("model", "模型")
_MISSING_WORDS = (
    "exist",
    "found",
    "unknown",
    "不存在",
    "no such",
    "not available",
    "invalid model",
)
# Characters of an endpoint's error that are shown.
_LONGEST = 160


class CutOffError(MlubenchError):
    """A reply was cut off at the limit of tokens. Half a reply is none, and the same question would be cut off again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a reply that is of use."""

    error: MlubenchError
    # Whether another attempt is worth while.
    again: bool = True
    # Whether it is a sign that the endpoint is down, which the breaker counts.
    down: bool = True
    # Whether the endpoint may have done the work all the same, and take money for it.
    charged: bool = True
    # Seconds that the endpoint asks to wait.
    after: float | None = None
    # Of the prompt and of the completion, where a reply came that is of no use.
    tokens: tuple[int, int] | None = None


def line(error: Exception) -> str:
    """The error's kind and text on one line of bearable length."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:_LONGEST]}"


def no_reply(what: str) -> Failure:
    """A reply with status 200 that holds none: a page, a JSON cut short, no choices, no text."""
    return Failure(MlubenchError(what, f"Is {ADDRESS} an OpenAI-compatible endpoint?"))


def cut_off(setting: str, limit: int, tokens: tuple[int, int]) -> Failure:
    """A reply that ended at `limit` tokens, which the user's `setting` says."""
    error = CutOffError(
        f"the reply was cut off at {limit} tokens: raise {setting}",
        "A model that thinks before it answers needs some thousands.",
    )
    return Failure(error, again=False, down=False, tokens=tokens)


def only_thought(setting: str, tokens: tuple[int, int]) -> Failure:
    """A reply that holds what the model thought, and nothing else."""
    error = MlubenchError(
        "the model thought and gave no reply", f"Raise {setting}, or switch its thinking off."
    )
    return Failure(error, again=False, down=False, tokens=tokens)


def held_back(what: str, tokens: tuple[int, int]) -> Failure:
    """A reply that a filter or the model itself withheld."""
    return Failure(
        MlubenchError(what, "Ask another model."), again=False, down=False, tokens=tokens
    )


def failure_of(error: Exception, model: str) -> Failure:
    """How to take an exception of the openai package, or of what it is built on."""
    import openai

    what = MlubenchError(f"the endpoint gave no answer ({line(error)})", f"See {ADDRESS}.")
    if isinstance(error, openai.APITimeoutError):
        return Failure(what)
    if isinstance(error, openai.APIConnectionError):
        # Without a connection nothing was sent; one that broke later may have carried the question.
        cause = type(error.__cause__).__name__
        return Failure(what, charged=cause not in ("ConnectError", "ConnectTimeout"))
    if isinstance(error, openai.APIStatusError):
        return _refused(error, model, what)
    return Failure(what)


def _refused(error: "APIStatusError", model: str, what: MlubenchError) -> Failure:
    status = error.status_code
    if status in _REFUSED or _QUOTA in (error.code, error.type) or is_about_the_model(error):
        wrong = UsageError(
            f"the endpoint refuses model {model!r} ({line(error)})",
            f"See {KEY}, {ADDRESS} and the model's name.",
        )
        return Failure(wrong, again=False, down=False, charged=False)
    if status not in _LATER and status < 500:
        return Failure(what, again=False, charged=False)
    after = retry_after(error.response.headers)
    is_too_long = after is not None and after > LONGEST_RETRY_AFTER
    # A busy endpoint is not down, unless it asks for longer than anybody waits.
    is_down = is_too_long or status != _BUSY
    return Failure(what, again=not is_too_long, down=is_down, charged=False, after=after)


def is_about_the_model(error: "APIStatusError") -> bool:
    """Whether a 400 says that there is no such model, not that a setting is not to its liking."""
    if error.status_code != 400:
        return False
    text = str(error).lower()
    names_model = any(word in text for word in _MODEL_WORDS)
    return names_model and any(word in text for word in _MISSING_WORDS)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the endpoint asks to wait, given in milliseconds, seconds or as a date; None where it asks nothing."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        return seconds if math.isfinite(seconds) and seconds >= 0 else None
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, until.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
