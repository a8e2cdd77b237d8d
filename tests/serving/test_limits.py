"""How much may be asked: allowances fill up evenly, and what has ended counts no more."""

import pytest

from mlubench.serving.failures import ApiError
from mlubench.serving.keys import Caller
from mlubench.serving.limits import Accounts, Limits

ALICE = Caller("alice", "user", per_minute=6)
BOB = Caller("bob", "user")


class Clock:
    """Time as a test sets it."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def told(accounts: Accounts, caller: Caller) -> tuple[str, int]:
    with pytest.raises(ApiError) as raised:
        accounts.enter(caller)
    assert raised.value.status == 429
    return raised.value.code, int(raised.value.headers["Retry-After"])


def test_an_allowance_fills_up_evenly() -> None:
    clock = Clock()
    accounts = Accounts(Limits(), clock)
    for _ in range(6):
        accounts.enter(ALICE)
        accounts.leave(ALICE)
    code, seconds = told(accounts, ALICE)
    assert code == "rate_limit_exceeded"
    assert seconds in (10, 11)
    # Nobody else waits for it.
    accounts.enter(BOB)
    clock.now += 10.1
    accounts.enter(ALICE)
    accounts.leave(ALICE)
    told(accounts, ALICE)
    clock.now += 10_000
    for _ in range(6):
        accounts.enter(ALICE)
        accounts.leave(ALICE)
    told(accounts, ALICE)


def test_what_runs_is_limited_by_key_and_in_all() -> None:
    accounts = Accounts(Limits(rows=2, waiting=1, by_key=2))
    accounts.enter(BOB)
    accounts.enter(BOB)
    assert told(accounts, BOB)[0] == "too_many_requests"
    accounts.enter(ALICE)
    assert told(accounts, ALICE)[0] == "server_busy"
    accounts.leave(BOB)
    accounts.enter(BOB)
    assert accounts.running == 3
