"""Which requests a model may answer: sound ones, with a route that could be taken and experts that are to hand."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.data.pictures import UnusablePictureError
from mlubench.lumoe.engine.batching import picture_error, request_error
from mlubench.lumoe.engine.leaving import refused
from mlubench.lumoe.engine.requests import Job, Ticket
from mlubench.models.mllm import TooLongError
from mlubench.types import Route

if TYPE_CHECKING:
    from mlubench.lumoe.engine.lumoe import LUMoE
    from mlubench.lumoe.engine.reopening import Reopening

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Admission:
    """Stands before whatever generates. Who is not let in has its answer: an error of its own, or the fixed refusal."""

    engine: "LUMoE"
    # Takes over what counts in the store once it has changed. None: the store is taken to stay as it is.
    reopening: "Reopening | None" = None
    # Whether the store has changed and could not be read since. All is refused then.
    unreadable: bool = False

    @property
    def is_due(self) -> bool:
        """Whether the store has changed, so that nobody should be let in before `reopen_where_due`."""
        return self.reopening is not None and self.reopening.is_due()

    def reopen_where_due(self) -> None:
        """Take over what counts in the store, where it has changed. Nothing may be under way.

        Where that fails, all is refused until it works.
        """
        if self.reopening is None or not self.reopening.is_due():
            return
        try:
            self.reopening.reopen()
        # A store may be broken in any way.
        except Exception:
            log.exception("the store has changed and cannot be read, so all is refused")
            self.unreadable = True
        else:
            self.unreadable = False

    def is_sound(self, ticket: Ticket) -> bool:
        """Whether the request itself can be answered. Otherwise its caller is told what is wrong."""
        if ticket.is_over():
            return False
        wanted = ticket.wanted
        error = request_error(self.engine.mllm, wanted.request, wanted.max_new_tokens)
        if error is not None:
            ticket.reject(error)
        return error is None

    def routes(self, tickets: Sequence[Ticket]) -> list[Route]:
        """Whatever a gate does, no request gets past it."""
        if not tickets:
            return []
        if self.unreadable:
            return [_refused_route("the store cannot be read; refused")] * len(tickets)
        try:
            return self.engine.routes([ticket.wanted.request.gate_query for ticket in tickets])
        # A gate may be anybody's, and raise anything.
        except Exception:
            log.exception("the gate failed")
            return [_refused_route("the gate failed; refused")] * len(tickets)

    def may_start(self, job: Job) -> bool:
        """Whether a model is to be asked. Otherwise the request is settled now."""
        error = picture_error(self.engine.mllm, job.request, job.route)
        if error is not None:
            job.ticket.reject(error)
            return False
        if job.route.refused:
            self._log_refusal(job)
            self.refuse(job, job.route.why if job.look is None else job.look.why)
            return False
        try:
            self.engine.require_experts([job.route])
        except MlubenchError as missing:
            log.warning("refused: %s", missing)
            self.refuse(job, str(missing))
            return False
        return True

    def _log_refusal(self, job: Job) -> None:
        # Without the reason, which may quote what was asked or name whom it is about.
        if job.look is None and not job.route.failed:
            log.info("refused: a deletion request whose expert is still to be trained")
            return
        if job.look is None:
            log.warning("refused, since no route could be taken")
            return
        expert = self.engine.missing_for(job.look.entity)
        if expert is not None:
            log.warning("refused: expert %r, which has it in charge, cannot be asked", expert)

    def cannot_start(self, job: Job, error: MlubenchError) -> None:
        """Settle a request that failed as it was to begin."""
        if isinstance(error, UsageError | UnusablePictureError | TooLongError):
            job.ticket.reject(error)
            return
        # An expert that cannot be read, say. Whose it is must not be told.
        log.warning("refused: %s", error)
        self.refuse(job, str(error))

    def refuse(self, job: Job, fault: str) -> None:
        """Answer with the fixed refusal, since no model may. What the fault says is for admins alone."""
        job.ticket.answer.set_result(refused(self.engine.mllm, job, fault))


def _refused_route(why: str) -> Route:
    return Route((), None, 0.0, why, failed=True, refused=True)
