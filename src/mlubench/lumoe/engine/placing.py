"""Requests at a gate that is asked elsewhere, as at an endpoint: what runs goes on while it thinks."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mlubench.lumoe.engine.admission import Admission
from mlubench.lumoe.engine.requests import Ticket
from mlubench.types import Route

Placed = Sequence[tuple[Ticket, Route]]


class Placing:
    """One batch of requests at a time. Its thread asks the gate and does nothing else, so no model is touched by two."""

    def __init__(self, admission: Admission, told: Callable[[], None]) -> None:
        """`told` is called, by the other thread, once a batch has its routes."""
        self.admission = admission
        self._told = told
        # At the gate now.
        self._asking: Sequence[Ticket] = ()
        self._placed: deque[Placed] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gate")

    @property
    def is_elsewhere(self) -> bool:
        """Whether the gate needs nothing of this process's models."""
        return getattr(self.admission.engine.gate, "elsewhere", False)

    @property
    def is_asking(self) -> bool:
        return bool(self._asking)

    @property
    def is_done(self) -> bool:
        """Whether there is something to take over."""
        return bool(self._placed)

    def __len__(self) -> int:
        """Requests that are at the gate, or have come from it and were not taken over."""
        return len(self._asking) + sum(len(batch) for batch in self._placed)

    def ask(self, tickets: Sequence[Ticket]) -> None:
        """Have the gate asked about these. None may be at it."""
        assert not self._asking
        self._asking = tuple(tickets)
        self._thread.submit(self._route, self._asking)

    def take_over(self) -> Placed:
        """Those that have their routes, and still wait for an answer."""
        found: list[tuple[Ticket, Route]] = []
        while self._placed:
            found += self._placed.popleft()
        return [one for one in found if _is_awaited(one[0])]

    def close(self) -> None:
        self._thread.shutdown()

    def _route(self, tickets: Sequence[Ticket]) -> None:
        # It raises nothing: whatever a gate does, its requests are refused.
        routes = self.admission.routes(tickets)
        self._placed.append(list(zip(tickets, routes, strict=True)))
        self._asking = ()
        self._told()


def _is_awaited(ticket: Ticket) -> bool:
    # Where a batch failed meanwhile, its callers were told.
    return not ticket.answer.done() and not ticket.is_over()
