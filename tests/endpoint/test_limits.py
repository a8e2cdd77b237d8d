"""Waits, the breaker and the rates, without any endpoint and in virtual time."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mlubench.endpoint import limits
from mlubench.endpoint.limits import Breaker, EndpointDownError, Limits, Rates
from support.virtual_time import VirtualTime

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


@pytest.fixture
def clock() -> Iterator[VirtualTime]:
    made = VirtualTime()
    with made.in_module(limits):
        yield made


def failing(breaker: Breaker, count: int, clock: VirtualTime) -> None:
    for _ in range(count):
        breaker.failed("no route", clock.now)


def test_a_breaker_opens_after_failures_in_a_row_alone(clock: VirtualTime) -> None:
    breaker = Breaker(LIMITS)
    failing(breaker, 2, clock)
    breaker.worked()
    failing(breaker, 2, clock)
    assert clock.seconds(breaker.admit()) < 0.001
    failing(breaker, 1, clock)
    probe = clock.seconds(breaker.admit())  # after the time to cool down
    assert probe == pytest.approx(LIMITS.cooldown, abs=0.002)
    breaker.worked()
    assert clock.seconds(breaker.admit()) < 0.001


def test_an_open_breaker_gives_up_when_its_patience_ends(clock: VirtualTime) -> None:
    impatient = Breaker(replace(LIMITS, patience=0))
    failing(impatient, 3, clock)
    with pytest.raises(EndpointDownError, match=r"3 requests in a row \(no route"):
        clock.run(impatient.admit())
    patient, started = Breaker(LIMITS), clock.now
    failing(patient, 3, clock)
    with pytest.raises(EndpointDownError):
        for _ in range(100):
            clock.run(patient.admit())
            failing(patient, 1, clock)  # every probe fails
            clock.now += 0.02
    assert clock.now - started == pytest.approx(LIMITS.patience, abs=0.05)


async def admit(rates: Rates, count: int, tokens: int) -> None:
    await asyncio.gather(*(rates.admit(tokens) for _ in range(count)))


def test_requests_are_spread_over_the_minute(clock: VirtualTime) -> None:
    rates = Rates(replace(LIMITS, requests_per_minute=600))  # 10 a second
    assert clock.seconds(admit(rates, 15, 0)) == pytest.approx(0.5, abs=0.1)  # 10 of them at once


def test_tokens_of_a_minute_are_spread_and_no_question_is_too_long(clock: VirtualTime) -> None:
    # 6,000 a minute are 600 in 6 s at once and 100 a second; two questions of 340 are 80 over.
    rates = Rates(replace(LIMITS, tokens_per_minute=6000))
    assert clock.seconds(admit(rates, 2, 340)) == pytest.approx(0.8, abs=0.1)
    longer = Rates(replace(LIMITS, tokens_per_minute=60_000))
    # 1,000 over what goes at once, at 1,000 a second.
    assert clock.seconds(admit(longer, 1, 7000)) == pytest.approx(1, abs=0.1)


def test_without_limits_nothing_waits(clock: VirtualTime) -> None:
    assert clock.seconds(admit(Rates(LIMITS), 1000, 10_000)) < 0.01
