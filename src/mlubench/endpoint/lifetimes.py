"""Whether a model's name is pinned to one version, and when the endpoint will stop serving it."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from mlubench.endpoint.client import Chat

if TYPE_CHECKING:
    from openai.types import Model

# Days before the end from which on a user is warned.
SOON = 90
# Seconds: a dead endpoint is to be noticed by judging, soon.
_LIST_TIMEOUT = 4.0
# OpenAI's deprecation page, as of November 2026. An endpoint's own word in its list of models comes first.
SHUTDOWNS: Mapping[str, date] = {
    "gpt-4o-2024-08-06": date(2027, 1, 14),
    "gpt-4o-2024-11-20": date(2027, 1, 14),
}
# A date that no further digit makes a longer number.
_DATED = re.compile(
    r"(?<!\d)"
    r"(?:"
    # 2024-08-06, 20240806, 2024-08
    r"20\d\d-?[01]\d(?:-?[0-3]\d)?"
    # 2407, a year and a month
    r"|2[0-9](?:0[1-9]|1[0-2])"
    # 0613, a month and a day
    r"|[01]\d[0-3]\d"
    r")"
    r"(?!\d)"
)
# How lists of models name the day: Mistral `deprecation`, Azure `deprecation.inference`, OpenRouter `expiration_date`.
_FIELDS = ("shutdown_date", "deprecation", "expiration_date", "retirement_date")


def is_dated(model: str) -> bool:
    """Whether the name carries a date (2024-08-06, 20240806, 2407, 0613), so that it means one version for good."""
    return bool(_DATED.search(model))


def notices(chat: Chat, today: date) -> Iterator[str]:
    """What a user should know of the judge's model before paying for it, one line each."""
    if not is_dated(chat.model):
        yield f"{chat.model} names no date: the endpoint may serve another version under that name. Pin a dated one."
    end = shutdown_of(chat) or SHUTDOWNS.get(chat.model)
    if end is None:
        return
    days = (end - today).days
    if days < 0:
        yield f"{chat.model} was to be shut down on {end}."
    elif days <= SOON:
        yield f"{chat.model} will be shut down on {end}, in {days} days. Keep the verdicts: nobody can repeat them then."


def shutdown_of(chat: Chat) -> date | None:
    """The day that the endpoint's list of models gives for the model; None where it gives none, or has no list."""
    models: list[Model] = chat.run(_listed(chat))
    for model in models:
        # Servers put things into their lists that are no models; the client lets them through as they are.
        facts = model.model_dump() if hasattr(model, "model_dump") else {}
        if facts.get("id") != chat.model:
            continue
        for name in _FIELDS:
            day = _day(facts.get(name))
            if day is not None:
                return day
        return None
    return None


async def _listed(chat: Chat) -> "list[Model]":
    """The endpoint's list of models. Many endpoints have none, and judging does not need one: it is then empty."""
    import openai

    timeout = min(_LIST_TIMEOUT, chat.limits.timeout)
    try:
        page = await chat.client.models.list(timeout=timeout)
    except (openai.OpenAIError, ValueError, OSError):
        return []
    rows = getattr(page, "data", None)
    return rows if isinstance(rows, list) else []


def _day(value: object) -> date | None:
    """A day given as text, as seconds since 1970, or as that of `inference` among others."""
    if isinstance(value, dict):
        return _day(value.get("inference"))
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value).date()
        if isinstance(value, int | float) and value > 0:
            return datetime.fromtimestamp(value, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
    return None
