"""How much may be asked at once, and how often by one key."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mlubench.serving.failures import too_many
from mlubench.serving.keys import Caller


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes. Beyond it callers get an error that says so."""

    # Requests that are answered at once, and that wait besides.
    rows: int = 16
    waiting: int = 64
    # Requests of one key that are answered or wait at once.
    by_key: int = 32
    # Tokens of an answer at most; None: as many as the run's own answers have.
    tokens: int | None = None
    # Seconds for an answer, and for a request's body to arrive.
    seconds: float = 120.0
    body_seconds: float = 30.0
    # Bytes of a request, and of one of its pictures.
    body_bytes: int = 32 * 2**20
    picture_bytes: int = 16 * 2**20
    pictures: int = 8
    messages: int = 64
    # Of all messages together.
    characters: int = 65_536
    # Seconds of the steps in which answers leave; see `pace.py`.
    step: float = 0.25


@dataclass(eq=False)
class _Account:
    """What one key has used."""

    # Requests that it may make at once now.
    left: float
    since: float
    running: int = 0


@dataclass(eq=False)
class Accounts:
    """Who has asked how much. A key's allowance fills up evenly, to what it may ask in a minute."""

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    running: int = 0
    _accounts: dict[str, _Account] = field(default_factory=dict, repr=False)

    def enter(self, caller: Caller) -> None:
        """A request of the caller begins; `leave` must follow. Raises ApiError where it is one too many."""
        account = self._account(caller)
        if caller.per_minute is not None and account.left < 1:
            wait = (1 - account.left) * 60 / caller.per_minute
            raise too_many("this key has asked too often", "rate_limit_exceeded", wait)
        if account.running >= self.limits.by_key:
            raise too_many("this key has too many requests running", "too_many_requests", 1)
        if self.running >= self.limits.rows + self.limits.waiting:
            raise too_many("too many requests wait", "server_busy", 1)
        account.left -= 1
        account.running += 1
        self.running += 1

    def leave(self, caller: Caller) -> None:
        self._accounts[caller.name].running -= 1
        self.running -= 1

    def _account(self, caller: Caller) -> _Account:
        now = self.clock()
        most = float(caller.per_minute or 0)
        account = self._accounts.setdefault(caller.name, _Account(most, now))
        filled = account.left + (now - account.since) * most / 60
        account.left = min(most, filled)
        account.since = now
        return account
