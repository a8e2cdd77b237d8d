"""Pinned names, and the day a model will be shut down: the endpoint's word first, then our own table."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from mlubench.endpoint.client import Chat
from mlubench.endpoint.lifetimes import is_dated, notices, shutdown_of
from mlubench.endpoint.limits import Limits
from support.judging_endpoint import Endpoint, serving

TODAY = date(2026, 11, 25)


@pytest.fixture
def endpoint(point_at: Callable[[str], None]) -> Iterator[Endpoint]:
    with serving() as made:
        point_at(made.address)
        yield made


def chat(model: str) -> Chat:
    return Chat(model, Limits(timeout=2, retries=0, parallel=1))


@pytest.mark.parametrize(
    ("name", "dated"),
    [
        ("gpt-4o-2024-08-06", True),
        ("claude-3-5-sonnet-20241022", True),
        ("mistral-large-2407", True),
        ("gpt-4-0613", True),
        ("gpt-4o", False),
        ("gpt-4.1-mini", False),
        ("mistral-large-latest", False),
        ("Qwen2.5-72B-Instruct", False),
        ("glm-4v-plus", False),
    ],
)
def test_dated(name: str, dated: bool) -> None:
    assert is_dated(name) is dated


def test_an_undated_name_is_said(endpoint: Endpoint) -> None:
    assert [n for n in notices(chat("gpt-4o"), TODAY) if "names no date" in n]
    assert not list(notices(chat("gpt-4.1-2025-04-14"), TODAY))


def test_the_known_end_of_gpt_4o(endpoint: Endpoint) -> None:
    (notice,) = notices(chat("gpt-4o-2024-08-06"), TODAY)
    assert "2027-01-14, in 50 days" in notice
    (notice,) = notices(chat("gpt-4o-2024-11-20"), date(2027, 2, 1))
    assert "was to be shut down" in notice


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ({"shutdown_date": "2026-12-24"}, date(2026, 12, 24)),
        ({"deprecation": "2026-12-24T12:00:00Z"}, date(2026, 12, 24)),
        ({"deprecation": {"fine_tune": 1, "inference": 1798070400}}, date(2026, 12, 24)),
        ({"expiration_date": None}, None),
        ({"deprecation": "some day"}, None),
        ({"deprecation": 1e300}, None),
        ({}, None),
    ],
)
def test_the_endpoints_own_word(
    endpoint: Endpoint, facts: dict[str, Any], end: date | None
) -> None:
    model = "m-2025-01-01"
    endpoint.models = [
        {"id": "other", "object": "model"},
        {"id": model, "object": "model", "created": 0, **facts},
    ]
    assert shutdown_of(chat(model)) == end
    assert len(list(notices(chat(model), TODAY))) == (1 if end else 0)


def test_an_endpoint_without_a_list_is_no_hindrance(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.models = "nonsense"  # type: ignore[assignment]
    assert shutdown_of(chat("m")) is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert shutdown_of(chat("m")) is None
