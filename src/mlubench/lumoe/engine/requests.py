"""A request as it waits to be answered beside others, and what becomes of it."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.batching import AskRequest
from mlubench.models.sampling import GREEDY, Sampling
from mlubench.types import Route, SecondLook


class BusyError(MlubenchError):
    """More requests wait than may; this one was not taken."""

    @classmethod
    def stopping(cls) -> "BusyError":
        return cls("the server is stopping", "Ask another one.")

    @classmethod
    def full(cls) -> "BusyError":
        return cls("too many requests wait", "Ask again in a moment.")


class UnanswerableError(MlubenchError):
    """Something is wrong with the request itself, and its caller may be told what."""


class OverdueError(MlubenchError):
    """The answer was not finished in time."""


class CancelledError(MlubenchError):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request, and how its answer is to be made."""

    request: AskRequest
    # Tokens of the answer at most.
    max_new_tokens: int
    sampling: Sampling = GREEDY
    # The answer ends before the first of these texts.
    stop: tuple[str, ...] = ()
    # Seconds from now on.
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A whole answer."""

    text: str
    # Why it ends: by itself or at a stop, or at the limit of its tokens.
    ended: Literal["stop", "length"]
    prompt_tokens: int
    answer_tokens: int
    route: Route
    # None where nothing was replaced.
    second_look: SecondLook | None = None
    # Why a refusal that no model gave stands in place of an answer; None where a model answered.
    fault: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether something went wrong. What waits for an expert that is still to be trained is refused as it is to be."""
        is_planned = self.route.refused and not self.route.failed and self.second_look is None
        return self.fault is not None and not is_planned


@dataclass(eq=False)
class Ticket:
    """What a caller holds meanwhile."""

    wanted: Wanted
    # By `time.monotonic`; None for no end.
    deadline: float | None
    # Raises what is wrong: UnanswerableError, OverdueError, CancelledError, or an error that is not the caller's.
    answer: "Future[Finished]" = field(default_factory=Future)
    _cancelled: Event = field(default_factory=Event)

    @classmethod
    def taken(cls, wanted: Wanted) -> "Ticket":
        """The ticket of a request that is taken now."""
        deadline = None
        if wanted.seconds is not None:
            deadline = time.monotonic() + wanted.seconds
        ticket = cls(wanted, deadline)
        # From here on whoever holds the future cannot cancel it behind our back; the ticket can.
        ticket.answer.set_running_or_notify_cancel()
        return ticket

    def cancel(self) -> None:
        """Nobody waits any more. Its row leaves at the next token."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def is_over(self) -> bool:
        """Whether nobody waits for the answer any more, or nobody should; the caller is then told."""
        if self.cancelled:
            self.answer.set_exception(CancelledError("the request was cancelled", "Ask it again."))
            return True
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.answer.set_exception(
                OverdueError("the answer was not finished in time", "Ask for a shorter one.")
            )
            return True
        return False

    def reject(self, error: MlubenchError) -> None:
        """Tell the caller what is wrong with the request."""
        self.answer.set_exception(UnanswerableError(error.what, error.hint))


@dataclass(eq=False)
class Job:
    """A request that has its route."""

    ticket: Ticket
    route: Route
    # Where it is being asked again, since its draft was held back: why, and the route of that draft.
    look: SecondLook | None = None
    first_route: Route | None = None

    @property
    def request(self) -> AskRequest:
        return self.ticket.wanted.request
