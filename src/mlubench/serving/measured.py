"""One system of an audit behind a loopback address, while a harness of benchmarks asks it by OpenAI's interface.

Unlike `mlubench serve` this answers with the untouched base too, which a measurement is held against. So it is never served
to callers: it listens on the loopback alone, under a key that nobody else has, and ends with the measurement.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING

from mlubench.audits.attack import Ask
from mlubench.audits.lmms_eval import Endpoint
from mlubench.audits.systems.system import System
from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.requests import BusyError, Finished, Ticket, Wanted
from mlubench.serving.app import MISSING, make_app
from mlubench.serving.keys import Keys, keys_in
from mlubench.serving.limits import Limits
from mlubench.serving.server import Address, listening_at
from mlubench.types import Route

if TYPE_CHECKING:
    import uvicorn

# The harness treats names of some of OpenAI's own models apart, so every system has the same one.
MODEL = "mlubench"
# Requests that the harness has under way at once.
AT_ONCE = 16
# Seconds for one answer; nobody waits for it but the harness.
_PATIENCE = 3600.0
# Seconds that the server is given to begin, and to end.
_GRACE = 30.0
_NO_ROUTE = Route((), None, 0.0, "a measurement is told no route")


class SystemBackEnd:
    """Answers a server's requests with a system of an audit, greedily, as an audit asks it."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._batch = system.ctx.config.evaluate.batch
        # None: no more will come.
        self._waiting: Queue[Ticket | None] = Queue()
        self._closed = False
        self._running = 0
        self._thread = Thread(target=self._run, name="measured", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        return self._running

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closed

    def submit(self, wanted: Wanted) -> Ticket:
        if self._closed:
            raise BusyError.stopping()
        ticket = Ticket.taken(wanted)
        self._waiting.put(ticket)
        return ticket

    def close(self) -> None:
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while tickets := self._taken():
            self._running = len(tickets)
            self._answer([ticket for ticket in tickets if not ticket.is_over()])
            self._running = 0

    def _taken(self) -> list[Ticket]:
        """Those that wait, as many as share a pass; waits for the first, and is empty once no more will come."""
        first = self._waiting.get()
        tickets = []
        while first is not None:
            tickets.append(first)
            if len(tickets) == self._batch:
                break
            try:
                first = self._waiting.get_nowait()
            except Empty:
                break
        else:
            # The end stands in the queue for the next look too.
            self._waiting.put(None)
        return tickets

    def _answer(self, tickets: list[Ticket]) -> None:
        try:
            said = self._system.answers([_ask(ticket.wanted) for ticket in tickets])
        # Whatever it is: the harness is told, and counts it as a failure.
        except Exception as error:  # noqa: BLE001
            for ticket in tickets:
                ticket.answer.set_exception(error)
            return
        for ticket, answer in zip(tickets, said, strict=True):
            if answer.failed:
                ticket.reject(MlubenchError(answer.failed))
            else:
                ticket.answer.set_result(Finished(answer.text, "stop", 0, 0, _NO_ROUTE))
            for picture in ticket.wanted.request.query.pictures:
                self._system.ctx.mllm.forget_picture(picture.path)


def _ask(wanted: Wanted) -> Ask:
    query = wanted.request.query
    pictures = tuple((picture.turn, picture.path) for picture in query.pictures)
    return Ask(query.question, pictures, query.history)


@contextmanager
def measured(system: System) -> Iterator[Endpoint]:
    """Inside, the opened system answers at an address of the loopback.

    Raises UsageError where a package of the extra `serve` is missing.
    """
    try:
        import uvicorn
    except ImportError:
        raise MISSING from None

    key = secrets.token_urlsafe(32)
    address = Address(port=0)
    # Every question comes once, so nothing of it is worth keeping.
    system.ctx.mllm.keep_prompts = False
    app = make_app(
        SystemBackEnd(system),
        model=MODEL,
        tokens=system.ctx.config.evaluate.max_new_tokens,
        keys=Keys(given=keys_in(f"user:{key}")),
        hosts=address.hosts,
        limits=Limits(rows=AT_ONCE, by_key=2 * AT_ONCE, seconds=_PATIENCE, step=0),
    )
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    )
    with listening_at(address) as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            _wait_for(server, thread)
            port = listening.getsockname()[1]
            yield Endpoint(f"http://127.0.0.1:{port}/v1", MODEL, key, AT_ONCE)
        finally:
            server.should_exit = True
            thread.join()


def _wait_for(server: "uvicorn.Server", thread: Thread) -> None:
    end = time.monotonic() + _GRACE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise MlubenchError("the server on the loopback did not begin", "Try again.")
        time.sleep(0.01)
