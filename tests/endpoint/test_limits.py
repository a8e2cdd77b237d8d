"""Waits, the breaker and the rates, without any endpoint."""

import asyncio
import time
from dataclasses import replace

import pytest

from mlubench.endpoint.limits import Breaker, EndpointDownError, Limits, Rates

LIMITS = Limits(timeout=1, retries=3, parallel=4, failures=3, cooldown=0.05, patience=0.2)


def test_waits_double_are_jittered_and_have_an_end() -> None:
    for attempt, least, most in ((0, 0.25, 0.5), (3, 2, 4), (50, 15, 30)):
        waits = {LIMITS.wait(attempt, None) for _ in range(50)}
        assert len(waits) > 40 and least <= min(waits) and max(waits) <= most


@pytest.mark.parametrize("asked_for", [0, 0.5, 7, 100])
def test_what_the_endpoint_asks_for_is_waited_and_little_more(asked_for: float) -> None:
    waits = {LIMITS.wait(2, asked_for) for _ in range(50)}
    assert asked_for <= min(waits) and max(waits) <= 1.1 * asked_for + 0.5
    assert len(waits) > 40  # or all would come back at the same moment


def failing(breaker: Breaker, count: int) -> None:
    for _ in range(count):
        breaker.failed("no route", time.monotonic())


def admitted(breaker: Breaker) -> float:
    started = time.monotonic()
    asyncio.run(breaker.admit())
    return time.monotonic() - started


def test_a_breaker_opens_after_failures_in_a_row_alone() -> None:
    breaker = Breaker(LIMITS)
    failing(breaker, 2)
    breaker.worked()
    failing(breaker, 2)
    assert admitted(breaker) < 0.04
    failing(breaker, 1)
    assert admitted(breaker) >= 0.04  # the probe, after the time to cool down
    breaker.worked()
    assert admitted(breaker) < 0.04


def test_an_open_breaker_gives_up_when_its_patience_ends() -> None:
    impatient = Breaker(replace(LIMITS, patience=0))
    failing(impatient, 3)
    with pytest.raises(EndpointDownError, match=r"3 requests in a row \(no route"):
        admitted(impatient)
    patient, started = Breaker(LIMITS), time.monotonic()
    failing(patient, 3)
    with pytest.raises(EndpointDownError):
        for _ in range(100):
            asyncio.run(patient.admit())
            failing(patient, 1)  # every probe fails
            asyncio.run(asyncio.sleep(0.02))
    assert 0.15 < time.monotonic() - started < 2


async def timed(rates: Rates, count: int, tokens: int) -> float:
    started = time.monotonic()
    await asyncio.gather(*(rates.admit(tokens) for _ in range(count)))
    return time.monotonic() - started


def test_requests_are_spread_over_the_minute() -> None:
    rates = Rates(replace(LIMITS, requests_per_minute=600))  # 10 a second
    assert 0.4 < asyncio.run(timed(rates, 15, 0)) < 2


def test_tokens_of_a_minute_are_spread_and_no_question_is_too_long() -> None:
    # 6,000 a minute are 600 in 6 s at once and 100 a second; two questions of 340 are 80 over.
    rates = Rates(replace(LIMITS, tokens_per_minute=6000))
    assert 0.6 < asyncio.run(timed(rates, 2, 340)) < 3
    longer = Rates(replace(LIMITS, tokens_per_minute=60_000))
    assert (
        0.6 < asyncio.run(timed(longer, 1, 7000)) < 4
    )  # 1,000 over what goes at once, at 1,000 a second


def test_without_limits_nothing_waits() -> None:
    assert asyncio.run(timed(Rates(LIMITS), 1000, 10_000)) < 0.5
