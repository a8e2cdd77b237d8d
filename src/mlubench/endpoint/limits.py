"""How hard an endpoint is asked: rates, retries, and the breaker that gives up on one that is down."""

import asyncio
import random
import time
from dataclasses import dataclass

from mlubench.core.errors import MlubenchError

# Seconds. An endpoint that asks for more is not waited for.
LONGEST_RETRY_AFTER = 120.0
# A minute's tokens are let through in so many portions, so that no minute sees twice its share.
_BUCKETS = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard an endpoint is asked, and when it is given up. Times in seconds."""

    # Of one attempt.
    timeout: float
    # How often a failed attempt is made again.
    retries: int
    # Requests under way at once.
    parallel: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    # Before the second attempt; doubled before each further one, up to the longest.
    first_wait: float = 0.5
    longest_wait: float = 30
    # After so many attempts in a row without a reply nothing is sent but one probe each `cooldown`.
    failures: int = 8
    cooldown: float = 5
    # How long after the first of these failures a request still waits for a probe to succeed, before it fails too.
    patience: float = 0

    def wait(self, attempt: int, asked_for: float | None) -> float:
        """Seconds before the attempt after number `attempt` (from 0): what the endpoint asks for, or doubled; jittered."""
        if asked_for is not None:
            return asked_for + random.random() * (0.1 * asked_for + self.first_wait)
        doubled = min(self.longest_wait, self.first_wait * 2**attempt)
        # Jittered, so that requests that failed together do not all come again together.
        return doubled * random.uniform(0.5, 1)


class EndpointDownError(MlubenchError):
    """So many attempts in a row had no reply that no more are made for now."""


class Breaker:
    """Counts failures in a row. Open, it lets one probe through each `cooldown`; a reply closes it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Failures in a row, and the last one's reason.
        self._count = 0
        self._why = ""
        # Times by time.monotonic(): the first of these failures, the next probe, the last reply.
        self._since = 0.0
        self._next = 0.0
        self._reply = 0.0

    def worked(self) -> None:
        self._count = 0
        self._reply = time.monotonic()

    def failed(self, why: str, started: float) -> None:
        """An attempt begun at `started` (time.monotonic) had no reply."""
        if not self._count:
            # The attempt may have begun before the last reply came; the endpoint was up until then.
            self._since = max(started, self._reply)
        self._count += 1
        self._why = why
        self._next = time.monotonic() + self._limits.cooldown

    async def admit(self) -> None:
        """Returns when a request may be sent. Raises EndpointDownError where that would take longer than `patience`."""
        while self._count >= self._limits.failures:
            now = time.monotonic()
            if now >= self._next:
                # This request is the probe; the others wait for what becomes of it.
                self._next = now + self._limits.cooldown
                return
            end = self._since + self._limits.patience
            if now >= end:
                raise EndpointDownError(
                    f"the endpoint gave no answer to {self._count} requests in a row ({self._why})",
                    "Check that it is up; the same command goes on from here and pays for nothing twice.",
                )
            # Never 0, which would keep the loop busy.
            await asyncio.sleep(max(0.001, min(self._next, end) - now))


class Rates:
    """Waits until the requests and tokens of a minute allow one request more."""

    def __init__(self, limits: Limits) -> None:
        from aiolimiter import AsyncLimiter

        # None where there is no limit.
        self._requests: AsyncLimiter | None = None
        self._tokens: AsyncLimiter | None = None
        requests = limits.requests_per_minute
        if requests:
            # Spaced out rather than a minute's worth at once; less than one a second waits longer for each.
            period = max(1.0, 60 / requests)
            self._requests = AsyncLimiter(requests * period / 60, period)
        tokens = limits.tokens_per_minute
        if tokens:
            self._tokens = AsyncLimiter(tokens / _BUCKETS, 60 / _BUCKETS)

    async def admit(self, tokens: int) -> None:
        if self._requests:
            await self._requests.acquire()
        if self._tokens:
            # The limiter takes no more at once than its bucket holds.
            remaining = float(tokens)
            while remaining > 0:
                portion = min(remaining, self._tokens.max_rate)
                await self._tokens.acquire(portion)
                remaining -= portion
