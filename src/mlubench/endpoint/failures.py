"""What became of a request that brought no reply: whether to ask again, when, and whether it may have cost something."""

import math
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.endpoint.limits import LONGEST_RETRY_AFTER

KEY, ADDRESS = "OPENAI_API_KEY", "OPENAI_BASE_URL"
_NO_MODEL = (
    "model",
    "模型",
)  # what endpoints say of a model they do not have, where they do not say 404
_BUSY, _QUOTA = 429, "insufficient_quota"
_LATER = (408, 409, 425, _BUSY)
_REFUSED = (401, 403, 404)
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Failure:
    """`again`: worth another attempt, after `after` seconds where the endpoint says so. `down`: counts for the breaker.

    `charged`: the endpoint may have done the work all the same.
    """

    error: MlubenchError
    again: bool = True
    down: bool = True
    charged: bool = True
    after: float | None = None


def line(error: Exception) -> str:
    """The error's kind and text on one line of bearable length."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:_LONGEST]}"


def no_reply(what: str) -> Failure:
    """A reply with status 200 that holds none: a page, a JSON cut short, no choices, no text."""
    return Failure(MlubenchError(what, f"Is {ADDRESS} an OpenAI-compatible endpoint?"))


def failure_of(error: Exception, model: str) -> Failure:
    """How to take an exception of the openai package, or of what it is built on."""
    import openai

    what = MlubenchError(f"the endpoint gave no answer ({line(error)})", f"See {ADDRESS}.")
    if isinstance(error, openai.APITimeoutError):
        return Failure(what)
    if isinstance(error, openai.APIConnectionError):
        return Failure(
            what, charged=type(error.__cause__).__name__ not in ("ConnectError", "ConnectTimeout")
        )
    if isinstance(error, openai.APIStatusError):
        return _refused(error, model, what)
    return Failure(what)


def _refused(error: Any, model: str, what: MlubenchError) -> Failure:
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
    far = after is not None and after > LONGEST_RETRY_AFTER
    return Failure(what, again=not far, down=far or status != _BUSY, charged=False, after=after)


def is_about_the_model(error: Any) -> bool:
    """Whether a 400 says that there is no such model, not that a setting is not to its liking."""
    said = str(error).lower()
    missing = ("exist", "found", "unknown", "不存在", "no such", "not available", "invalid model")
    return (
        error.status_code == 400
        and any(w in said for w in _NO_MODEL)
        and any(w in said for w in missing)
    )


def retry_after(headers: Any) -> float | None:
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
