"""Whether a model's name is pinned to one version, and when the endpoint will stop serving it."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from mlubench.endpoint.client import Chat

SOON = 90  # days
_LIST_TIMEOUT = 4.0  # seconds: a dead endpoint is to be noticed by judging, soon
# OpenAI's deprecation page, as of November 2026. An endpoint's own word in its list of models comes first.
SHUTDOWNS: Mapping[str, date] = {
    "gpt-4o-2024-08-06": date(2027, 1, 14),
    "gpt-4o-2024-11-20": date(2027, 1, 14),
}
_DATED = re.compile(
    r"(?<!\d)(?:20\d\d-?[01]\d(?:-?[0-3]\d)?|2[0-9](?:0[1-9]|1[0-2])|[01]\d[0-3]\d)(?!\d)"
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
    for row in chat.run(_listed(chat)):
        facts = row.model_dump() if hasattr(row, "model_dump") else {}
        if facts.get("id") == chat.model:
            return next((d for d in (_day(facts.get(name)) for name in _FIELDS) if d), None)
    return None


async def _listed(chat: Chat) -> list[Any]:
    import openai

    try:
        page = await chat.client.models.list(timeout=min(_LIST_TIMEOUT, chat.limits.timeout))
    except (
        openai.OpenAIError,
        ValueError,
        OSError,
    ):  # many endpoints have no list, and judging does not need one
        return []
    rows = getattr(page, "data", None)
    return rows if isinstance(rows, list) else []


def _day(value: Any) -> date | None:
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
