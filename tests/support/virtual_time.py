"""Time that passes only when somebody waits for it: waits of minutes are tested exactly, and at once."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")
TICK = 1e-6  # seconds that pass in each turn of the loop


class VirtualTime:
    """A clock for an event loop and for modules that ask `time.monotonic`. `now` is in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, in a loop in which to wait only moves the clock."""
        loop = asyncio.SelectorEventLoop(_Selector(self))
        loop.time = lambda: self.now  # type: ignore[method-assign]
        try:
            return loop.run_until_complete(work)
        finally:
            loop.close()

    def seconds(self, work: Coroutine[Any, Any, Any]) -> float:
        """How long `work` would have taken."""
        started = self.now
        self.run(work)
        return self.now - started

    @contextmanager
    def in_module(self, module: ModuleType) -> Iterator[None]:
        """Within it the module's `time.monotonic` tells this clock's time, and `time.sleep` moves it."""
        with patch.object(module, "time", _Time(self)):
            yield


class _Selector(selectors.DefaultSelector):
    """Never waits: the clock jumps to the next thing that is due."""

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None:
            # Never less than a tick, or who waits for less than a float can tell would wait for ever.
            self._clock.now += max(timeout, TICK)
        return super().select(0)


class _Time:
    """What stands for the module `time`."""

    def __init__(self, clock: VirtualTime) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        return self._clock.now

    def sleep(self, seconds: float) -> None:
        self._clock.now += seconds
