"""A session ends by itself, and makes room for others."""

from mlubench.serving.keys import Keys
from mlubench.serving.sessions import COOKIE, IDLE, LONGEST, Sessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def sessions(clock: Clock) -> Sessions:
    keys = Keys.open(None, "admin:boss,user:alice")
    assert keys is not None
    return Sessions(keys, clock)


def test_a_session_ends_when_it_is_not_used_and_at_the_latest_after_a_day_of_work() -> None:
    clock = Clock()
    opened = sessions(clock)
    cookie = f"other=1; {COOKIE}={opened.begin('boss')}"
    clock.now = IDLE
    assert opened.of([cookie]) is not None
    clock.now += IDLE + 1
    assert opened.of([cookie]) is None
    cookie = f"{COOKIE}={opened.begin('boss')}"
    began = clock.now
    while clock.now - began < LONGEST - IDLE / 2:
        clock.now += IDLE / 2
        assert opened.of([cookie]) is not None
    clock.now = began + LONGEST + 1
    assert opened.of([cookie]) is None


def test_only_an_admins_key_begins_one() -> None:
    opened = sessions(Clock())
    assert opened.begin("alice") is None
    assert opened.begin("") is None
    assert opened.of([]) is None
    assert opened.of([f"{COOKIE}=", "\x00"]) is None


def test_the_one_that_was_used_longest_ago_makes_room() -> None:
    clock = Clock()
    opened = sessions(clock)
    cookies = []
    for number in range(101):
        clock.now = number
        cookies.append(opened.begin("boss"))
    assert opened.of([f"{COOKIE}={cookies[0]}"]) is None
    assert opened.of([f"{COOKIE}={cookies[1]}"]) is not None
