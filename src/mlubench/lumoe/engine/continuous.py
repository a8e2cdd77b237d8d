"""Requests of many callers, answered side by side: each joins the running batch as soon as there is room, and leaves
it when it is done.

One thread does all that touches the model. Whoever has a better loop puts it in the place of `ContinuousEngine`: callers
know `submit`, `close` and the ticket alone.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Condition, Thread
from typing import TypeVar

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.admission import Admission
from mlubench.lumoe.engine.leaving import LOOKED_AT, Draft, IsRefusal, by_a_model
from mlubench.lumoe.engine.live import LiveBatch
from mlubench.lumoe.engine.looking_again import Reply, route_of
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.placing import Placing
from mlubench.lumoe.engine.reopening import Reopening
from mlubench.lumoe.engine.requests import BusyError, Job, Ticket, Wanted
from mlubench.models.running import Row

log = logging.getLogger(__name__)

T = TypeVar("T")


class ContinuousEngine:
    """A LUMoE that many callers ask at once. A gate that fails refuses; the base never answers in its place."""

    def __init__(
        self,
        engine: LUMoE,
        *,
        rows: int = 16,
        waiting: int = 64,
        is_refusal: IsRefusal | None = None,
        reopening: Reopening | None = None,
    ) -> None:
        """`rows` requests are answered at once at most, and `waiting` more wait.

        `reopening` takes over what counts in the store once it has changed: what runs ends as it began, and whoever comes
        meanwhile waits. What an expert says and `is_refusal` holds for a refusal leaves as one fixed text, so that nobody
        can tell by the words which expert it was.
        """
        engine.on_error = "refuse"
        self.engine = engine
        self.rows = rows
        self.most_waiting = waiting
        self._is_refusal = is_refusal
        self.admission = Admission(engine, reopening)
        self._live: list[LiveBatch] = []
        self._waiting: deque[Ticket] = deque()
        # Requests whose draft was held back; they have been admitted once.
        self._again: list[Job] = []
        # Taken, and not answered yet.
        self._open: set[Ticket] = set()
        # What is to be done while nothing runs.
        self._errands: deque[Callable[[], None]] = deque()
        self._closed = False
        self._changed = Condition()
        self._placing = Placing(self.admission, self._wake)
        self._thread = Thread(target=self._run, name="answering", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        return sum(len(live) for live in self._live) + len(self._again) + len(self._placing)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether requests are taken."""
        return self._thread.is_alive() and not self._closed

    def submit(self, wanted: Wanted) -> Ticket:
        """Have a request answered. Raises BusyError where too many wait already, or where the engine is closed."""
        ticket = Ticket.taken(wanted)
        with self._changed:
            if self._closed:
                raise BusyError.stopping()
            if len(self._waiting) >= self.most_waiting:
                raise BusyError.full()
            self._waiting.append(ticket)
            self._changed.notify()
        return ticket

    def between(self, work: Callable[[], T]) -> "Future[T]":
        """Have something done by the thread that answers, while it answers nobody. What runs ends first; others wait.

        Raises BusyError where the engine is closed.
        """
        errand: Future[T] = Future()
        # A caller who leaves takes nothing back.
        errand.set_running_or_notify_cancel()

        def run() -> None:
            try:
                errand.set_result(work())
            # Whoever asked for it is told.
            except BaseException as error:  # noqa: BLE001
                errand.set_exception(error)

        with self._changed:
            if self._closed:
                raise BusyError.stopping()
            self._errands.append(run)
            self._changed.notify()
        return errand

    def close(self) -> None:
        """Take no more requests, answer those that were taken, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._placing.close()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    @property
    def _has_work(self) -> bool:
        """Whether there is something to do now. While the gate is asked elsewhere, only for what runs beside it."""
        if self._live or self._again or self._placing.is_done:
            return True
        if self._placing.is_asking:
            return False
        return bool(self._waiting or self._errands or self._closed)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._has_work:
                    self._changed.wait()
                if self._closed and not (self._waiting or self.running or self._errands):
                    return
                tickets = self._taken()
            try:
                self._run_errands()
                self._admit(tickets)
                self._step()
            # Whatever it is: callers are told, and the next ones are answered.
            except Exception as error:
                log.exception("a batch failed")
                self._fail_all(error)
            self._forget_done()

    def _taken(self) -> list[Ticket]:
        """Those that have waited longest, as many as there is room for."""
        self._waiting = deque(ticket for ticket in self._waiting if not ticket.is_over())
        room = max(0, self.rows - self.running)
        if self._placing.is_asking:
            room = 0
        if self.running and (self._errands or self.admission.is_due):
            room = 0
        taken = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        self._open.update(taken)
        return taken

    def _admit(self, tickets: Sequence[Ticket]) -> None:
        """Have the requests routed and read, and join what runs."""
        if tickets and not self.running:
            self.admission.reopen_where_due()
        sound = [ticket for ticket in tickets if self.admission.is_sound(ticket)]
        placed = self._placing.take_over()
        if sound and self._placing.is_elsewhere:
            self._placing.ask(sound)
            sound = []
        jobs = self._again
        self._again = []
        if sound or placed or jobs:
            # The gate may ask the base, and questions are read by themselves.
            for live in self._live:
                live.release()
        for ticket, route in [*placed, *zip(sound, self.admission.routes(sound), strict=True)]:
            job = Job(ticket, route)
            if self.admission.may_start(job):
                jobs.append(job)
        queries = [job.request.query for job in jobs]
        for rows in self.engine.passes(queries, [job.route for job in jobs]):
            self._start([jobs[row] for row in rows])

    def _run_errands(self) -> None:
        while self._errands and not self.running:
            self._errands.popleft()()

    def _start(self, jobs: Sequence[Job]) -> None:
        """Read these questions. Where it fails, halves are read, down to the one request whose error it is."""
        started = LiveBatch(self.engine)
        try:
            started.start(jobs, ahead=LOOKED_AT if self._looks else 0)
        except MlubenchError as error:
            if len(jobs) == 1:
                self.admission.cannot_start(jobs[0], error)
                return
            middle = len(jobs) // 2
            self._start(jobs[:middle])
            self._start(jobs[middle:])
            return
        for live in self._live:
            if live.takes(started):
                live.join(started)
                break
        else:
            self._live.append(started)

    @property
    def _looks(self) -> bool:
        return self.engine.forgotten is not None and self.engine.second_look != "off"

    def _step(self) -> None:
        """One more token for all that is not done."""
        for live in self._live:
            self._let_go(live)
        self._live = [live for live in self._live if len(live)]
        for live in self._live:
            live.step()
            # Only where it is alone may its experts stay on the base.
            if len(self._live) > 1:
                live.release()
        for live in self._live:
            self._let_go(live)
        self._live = [live for live in self._live if len(live)]

    def _let_go(self, live: LiveBatch) -> None:
        """Settle what is done, and forget what nobody waits for."""
        leaving: list[Row] = []
        done: list[tuple[Row, Job]] = []
        for row, job in live.jobs.items():
            if job.ticket.is_over():
                leaving.append(row)
            elif row.done or self._is_stopped(row, job):
                leaving.append(row)
                done.append((row, job))
        live.leave(leaving)
        for row, job in done:
            self._settle(row, job)

    def _is_stopped(self, row: Row, job: Job) -> bool:
        stop = job.ticket.wanted.stop
        if not stop or (self._looks and len(row.tokens) < LOOKED_AT):
            return False
        text = self.engine.mllm.text_of(row.tokens)
        return any(end in text for end in stop)

    def _settle(self, row: Row, job: Job) -> None:
        """Look at a draft: it leaves, or somebody else is asked."""
        query = job.request.query
        text = self.engine.mllm.text_of(row.tokens)
        if job.look is not None:
            assert job.first_route is not None
            (reply,) = self.engine.settled([query], [text], [job.first_route], [job.look])
        else:
            (look,) = self.engine.second_looks([query], [text], [job.route])
            if look is not None:
                again = Job(job.ticket, route_of(look, job.route), look, job.route)
                if self.admission.may_start(again):
                    self._again.append(again)
                return
            reply = Reply(text)
        draft = Draft(text, row.tokens, row.complete, row.prompt_tokens)
        answer = by_a_model(self.engine.mllm, job, draft, reply, self._is_refusal)
        job.ticket.answer.set_result(answer)

    def _fail_all(self, error: Exception) -> None:
        """Give up what runs, and tell everybody who waits for it."""
        for live in self._live:
            live.release()
        self._live = []
        self._again = []
        for ticket in self._open:
            if not ticket.answer.done():
                ticket.answer.set_exception(error)

    def _forget_done(self) -> None:
        """Keep nothing of requests that have their answer."""
        done = [ticket for ticket in self._open if ticket.answer.done()]
        for ticket in done:
            self._open.remove(ticket)
            for picture in ticket.wanted.request.query.pictures:
                self.engine.mllm.forget_picture(picture.path)
